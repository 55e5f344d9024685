"""A standalone Spark cluster of two small workers on loopback, each in a process of its own."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.local.ports import LOOPBACK, free_port
from infra.spark.environment import FOLDER, java_home

ROOT = Path(__file__).parents[2]
WORKERS = 2
PATIENCE_S = 60
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.console.type = Console
appender.console.name = stderr
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1}: %m%n%ex
logger.master.name = org.apache.spark.deploy.master
logger.master.level = info
"""


class SparkCluster:
    """root: where its configuration, logs and the workers' folders lie."""

    def __init__(self, root: Path):
        self.root = root
        self._port = free_port()
        self.master = f"spark://{LOOPBACK}:{self._port}"
        (root / "conf").mkdir()
        (root / "conf" / "log4j2.properties").write_text(LOGGING)
        (root / "conf" / "spark-defaults.conf").touch(mode=0o600)
        (root / "conf" / "spark-defaults.conf").write_text(self._configuration())

    @contextmanager
    def running(self) -> Iterator["SparkCluster"]:
        master = ("master.Master", "--host", LOOPBACK, "--port", str(self._port), "--webui-port", "0")
        with ExitStack() as stack:
            stack.enter_context(self._daemon("master", *master))
            self._wait("master", "Starting Spark master", 1)  # a worker that comes too early waits long to try again
            for number in range(WORKERS):
                size = ("--cores", "1", "--memory", "1g", "--work-dir", str(self.root / f"worker-{number}"))
                worker = ("worker.Worker", "--host", LOOPBACK, "--webui-port", "0", *size, self.master)
                stack.enter_context(self._daemon(f"worker-{number}", *worker))
            self._wait("master", "Registering worker", WORKERS)
            yield self

    def submit(self, script: Path, *arguments: str, **environment: str) -> str:
        """What the script printed. Raises CalledProcessError, after showing what Spark logged."""
        command = [FOLDER / "bin" / "spark-submit", "--master", self.master, script, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment() | environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(done.stderr, done.stdout)  # noqa: T201 (pytest shows it beside the failure)
        done.check_returncode()
        return done.stdout

    def executors(self, worker: int) -> list[Path]:
        """The folders of the executors that a worker has run."""
        return sorted((self.root / f"worker-{worker}").glob("app-*/*"))

    def _configuration(self) -> str:
        lines = {
            "spark.authenticate": "true",
            "spark.authenticate.secret": secrets.token_hex(32),
            "spark.network.crypto.enabled": "true",
            "spark.master.rest.enabled": "false",
            "spark.ui.enabled": "false",
            "spark.driver.host": LOOPBACK,
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.driver.extraJavaOptions": QUICK_START,
            "spark.executor.extraJavaOptions": QUICK_START,
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.warehouse.dir": self.root / "warehouse",
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYTHON"))}
        return own | {
            "JAVA_HOME": str(java_home()),
            "PYSPARK_PYTHON": str(FOLDER / "bin" / "python"),
            "SPARK_CONF_DIR": str(self.root / "conf"),
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": QUICK_START,
        }

    @contextmanager
    def _daemon(self, name: str, kind: str, *arguments: str) -> Iterator[None]:
        command = [FOLDER / "bin" / "spark-class", f"org.apache.spark.deploy.{kind}", *arguments]
        with self._log(name).open("w") as log:
            process = subprocess.Popen(command, env=self._environment(), stdout=log, stderr=log)
            try:
                yield
            finally:
                process.terminate()
                process.wait()

    def _wait(self, name: str, line: str, times: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._log(name).read_text().count(line) < times:
            assert time.monotonic() < deadline, self._log(name).read_text()[-5000:]
            time.sleep(0.2)

    def _log(self, name: str) -> Path:
        return self.root / f"{name}.log"
