"""The embedded stack: PostgreSQL, MLflow and Airflow on loopback, with all state in one folder."""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import psutil

from infra.local.environment import MLFLOW_USERS, USERS, environment, mlflow_server
from infra.local.health import HEALTHY
from infra.local.ports import free_port
from infra.local.postgres import PostgresServer
from infra.local.prepare_mlflow import write_auth_config
from infra.local.secrets import ROLES, ensure_secrets, load_secrets, pseudonym_key, secrets_file
from infra.local.services import PREPARE_ACCOUNTS, PREPARE_AIRFLOW, PREPARE_MLFLOW, Service, services
from infra.local.settings import Settings
from infra.local.site import SERVERS, Site, embedded
from infra.local.supervisor import DEAD, STOPPED, Status, Supervisor, memory_of
from infra.postgres.migrate import migrate
from ml.errors import ExitCode, TrailguardError

START_TIMEOUT = 180  # seconds; a cold start takes about 30 on two cores
POSTGRES, MLFLOW_SCHEMA, ACCOUNTS, AIRFLOW_SCHEMA = "postgres", "prepare-mlflow", "prepare-accounts", "prepare-airflow"
Report = Callable[[str], None]


class UnknownService(TrailguardError):
    """There is no such service.

    `python -m infra.local status` lists them.
    """

    exit_code = ExitCode.USAGE


class NoStack(TrailguardError):
    """No stack was ever started in this folder.

    Start one with `python -m infra.local up`.
    """

    exit_code = ExitCode.ABSENT


class Stack:
    """One deployment's services. All methods may be repeated; each finds what an earlier one left."""

    def __init__(self, home: Path):
        self.home = home.resolve()
        self.supervisor = Supervisor(self.home)
        self.settings = Settings.load(self.home)

    # --- what it is ---

    @property
    def site(self) -> Site:
        if not self.settings.ports:
            raise NoStack(home=str(self.home))
        return embedded(self.home, self.settings.ports, secure=self.settings.secure)

    @property
    def postgres(self) -> PostgresServer:
        return PostgresServer(self.home, int(self.site.postgres.rpartition(":")[2]))

    @property
    def services(self) -> tuple[Service, ...]:
        return services(self.site)

    @property
    def secrets(self) -> dict[str, str]:
        return load_secrets(secrets_file(self.home))

    @property
    def logins(self) -> dict[str, str]:
        """People's users of each server and their passwords."""
        airflow = {f"Airflow {user}": self.secrets[name] for user, name in USERS.items()}
        mlflow = {f"MLflow {user}": self.secrets[MLFLOW_USERS[user]] for user in USERS}
        return airflow | mlflow if self.settings.secure else airflow

    def environment(self) -> dict[str, str]:
        """What services need, and of every account what its stages need; holds passwords."""
        return environment(self.site, self.secrets) | self.settings.variables

    def status(self) -> list[Status]:
        return [self._postgres_status(), *(self.supervisor.status(service) for service in self.services)]

    # --- what it does ---

    def up(
        self,
        variables: Mapping[str, str] | None = None,
        report: Report = lambda line: None,
        *,
        secure: bool = False,
        pseudonyms: bool = False,
    ) -> set[str]:
        """Starts what does not run and waits until all is healthy.

        variables: environment of the services beside our own (TRAILGUARD_DATASET, ...), remembered; services that run
        with other values are restarted. secure: from now on MLflow asks everybody who they are. pseudonyms: whether
        ingestion replaces user ids by a keyed hash, remembered; their key is generated then. Returns the names of newly
        generated secrets. Raises ServiceDied, ServiceNotReady, PostgresFailed.
        """
        with self._lock():
            _, generated = ensure_secrets(secrets_file(self.home), pseudonym_key() if pseudonyms else {})
            self._choose_ports()
            self.settings.variables |= variables or {}
            self.settings.secure |= secure
            self.settings.save(self.home)
            self._start(report)
        return generated

    def down(self, report: Report = lambda line: None) -> None:
        """Stops everything, last started first."""
        if not self.settings.ports:
            return
        with self._lock():
            for unfinished in (MLFLOW_SCHEMA, ACCOUNTS, AIRFLOW_SCHEMA):
                self.supervisor.stop(unfinished)
            for service in reversed(self.services):
                self.supervisor.stop(service.name)
                report(f"{service.name} stopped")
            self.postgres.stop()
            report(f"{POSTGRES} stopped")

    def restart(self, name: str, report: Report = lambda line: None) -> None:
        """Stops one service and starts it again. Raises UnknownService."""
        if name not in {POSTGRES, *(service.name for service in self.services)}:
            raise UnknownService(service=name)
        with self._lock():
            self.postgres.stop() if name == POSTGRES else self.supervisor.stop(name)
            self._start(report)

    def remove(self) -> None:
        """Stops everything and deletes the state folder."""
        if not self.settings.ports:
            raise NoStack(home=str(self.home))
        self.down()
        shutil.rmtree(self.home)

    # --- how ---

    def _start(self, report: Report) -> None:
        began = time.monotonic()

        def tell(name: str, address: str | None) -> None:
            report(f"{name} healthy after {time.monotonic() - began:.1f} s  {address or ''}".rstrip())

        self._start_postgres()
        tell(POSTGRES, self.site.postgres)
        mlflow, *airflow = self.services
        environment = self.environment()
        self._start_mlflow(mlflow, environment | mlflow_server(self.site, self.secrets))
        self._prepare_airflow(environment)
        if self.settings.secure:
            self._prepare_accounts(mlflow, environment)
        for service in airflow:
            self.supervisor.start(service, environment)
        self.supervisor.wait_healthy(self.services, START_TIMEOUT, lambda service: tell(service.name, service.opens))

    def _start_postgres(self) -> None:
        server = self.postgres
        roles = " ".join(ROLES)
        if server.is_running() and self.settings.prepared.get("databases") == roles:
            return
        server.initialise()
        server.start()
        server.create_roles_and_databases()
        self._prepared("databases", roles)

    def _start_mlflow(self, service: Service, environment: Mapping[str, str]) -> None:
        """When the installed MLflow is another one than last time, its schema is brought along before it starts."""
        installed = version("mlflow")
        if self.settings.prepared.get("mlflow", installed) != installed:
            self.supervisor.stop("mlflow")
            child = self.supervisor.run(MLFLOW_SCHEMA, PREPARE_MLFLOW, environment)
            self.supervisor.finish(MLFLOW_SCHEMA, child)
        self._prepared("mlflow", installed)
        if self.settings.secure:
            write_auth_config({**environment, **self._passwords(MLFLOW_USERS)})
        self.supervisor.start(service, environment)

    def _prepare_accounts(self, mlflow: Service, environment: Mapping[str, str]) -> None:
        self.supervisor.wait_healthy([mlflow], START_TIMEOUT, lambda service: None)
        child = self.supervisor.run(ACCOUNTS, PREPARE_ACCOUNTS, {**environment, **self._passwords(MLFLOW_USERS)})
        self.supervisor.finish(ACCOUNTS, child)

    def _prepare_airflow(self, environment: Mapping[str, str]) -> None:
        """Airflow's and Trailguard's own schema, side by side."""
        installed = version("apache-airflow")
        due = self.settings.prepared.get("apache-airflow") != installed
        with ExitStack() as preparing:
            if due:
                child = self.supervisor.run(AIRFLOW_SCHEMA, PREPARE_AIRFLOW, {**environment, **self._passwords(USERS)})
                preparing.callback(self.supervisor.finish, AIRFLOW_SCHEMA, child)
            migrate(self.postgres.dsn("trailguard_owner", "trailguard"))
        self._prepared("apache-airflow", installed)

    def _passwords(self, users: Mapping[str, str]) -> dict[str, str]:
        return {name: self.secrets[name] for name in users.values()}

    def _postgres_status(self) -> Status:
        server = self.postgres
        pid = server.pid()
        if pid is None:
            return Status(POSTGRES, DEAD if server.died() else STOPPED, address=server.address, log=server.log)
        process = psutil.Process(pid)
        group = [process, *process.children(recursive=True)]
        return Status(
            POSTGRES,
            HEALTHY,
            pid,
            time.time() - process.create_time(),
            memory_of(group),
            server.address,
            server.log,
        )

    def _choose_ports(self) -> None:
        """Keeps the remembered ports while anything runs; otherwise replaces those that somebody took meanwhile."""
        running = self.settings.ports and any(status.pid for status in self.status())
        if not running:
            ports: dict[str, int] = {}
            for name in SERVERS:
                ports[name] = free_port(self.settings.ports.get(name, 0), taken=ports.values())
            self.settings.ports = ports

    def _prepared(self, what: str, at: str) -> None:
        self.settings.prepared[what] = at
        self.settings.save(self.home)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One command at a time changes a stack; a second one waits."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds people's events, not only passwords
        with (self.home / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.settings = Settings.load(self.home)
            yield
