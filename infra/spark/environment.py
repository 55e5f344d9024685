"""Spark's own environment: pyspark breaks the main one. Java is the system's; Spark 4 runs on 17 and later."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.side_environment import make_environment
from ml.errors import ExitCode, TrailguardError

FOLDER = Path(__file__).parents[2] / ".trailguard" / "spark"
LOCK = Path(__file__).with_name("requirements.lock")
OLDEST_JAVA = 17


class JavaMissing(TrailguardError):
    """Spark 4 needs Java 17 or later.

    Install one, for example `apt-get install openjdk-17-jre-headless`, or set JAVA_HOME.
    """

    exit_code = ExitCode.ABSENT


def install() -> None:
    """Makes the environment unless the same lock made it before. Raises EnvironmentUnavailable."""
    make_environment(FOLDER, LOCK)


def java_home() -> Path:
    """JAVA_HOME, else where the `java` on the PATH lies. Raises JavaMissing."""
    named, found = os.environ.get("JAVA_HOME"), shutil.which("java")
    java = Path(named) / "bin" / "java" if named else Path(found).resolve() if found else None
    version = java and _version(java)
    if not version or version < OLDEST_JAVA:
        raise JavaMissing(java=java, version=version)
    return java.parents[1]


def _version(java: Path) -> int | None:
    if not java.is_file():
        return None
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else None
