"""Environments beside the main one, for what must not be installed into it; each made once from a lock of its own."""

import subprocess
import sys
from pathlib import Path

from ml.errors import TrailguardError


class EnvironmentUnavailable(TrailguardError):
    """An environment of its own cannot be made.

    It needs a package index once.
    """


def make_environment(folder: Path, lock: Path) -> Path:
    """Makes the environment unless the same lock made it before, and returns its Python.

    lock: every package needed, with hashes; nothing else is installed. Raises EnvironmentUnavailable.
    """
    made, python = folder / "made-from.lock", folder / "bin" / "python"
    if made.is_file() and made.read_text() == lock.read_text():
        return python
    uv = [sys.executable, "-m", "uv"]
    packages = ["pip", "install", "--no-deps", "--require-hashes", "--python", str(python), "-r", str(lock)]
    for command in ([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], [*uv, *packages]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentUnavailable(folder=folder, uv=done.stderr.strip()[-500:])
    made.write_text(lock.read_text())
    return python
