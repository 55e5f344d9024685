"""Starts, watches and stops services as groups of processes. No daemon: what runs is found on disk and in /proc."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from infra.local import processes
from infra.local.health import HEALTHY, check
from infra.local.services import Service
from ml.errors import TrailguardError

STOPPED, DEAD = "stopped", "dead"
TAIL_LINES = 20
PATIENCE = 0.5  # seconds between two looks at services that are starting


class ServiceFailed(TrailguardError):
    """A service does not do its work.

    The end of its log follows.
    """

    def __init__(self, *, service: str, log: str):
        super().__init__(service=service, log=log)

    def __str__(self) -> str:
        return f"{super().__str__()}\n{tail(Path(self.log))}"


class ServiceDied(ServiceFailed):
    """A service ended by itself.

    `python -m infra.local up` starts it again; the end of its log follows.
    """


class ServiceNotReady(ServiceFailed):
    """A service runs but does not become healthy.

    Ask `python -m infra.local status` again or restart it; the end of its log follows.
    """


@dataclass(frozen=True)
class Status:
    """One service at one moment; memory in bytes (proportional where the system tells), uptime in seconds."""

    name: str
    state: str
    pid: int | None = None
    uptime: float | None = None
    memory: int | None = None
    address: str | None = None
    log: Path | None = None


def tail(log: Path) -> str:
    """The last lines of a log."""
    if not log.exists():
        return ""
    with log.open(errors="replace") as lines:
        return "".join(deque(lines, TAIL_LINES))


def memory_of(group: Iterable[psutil.Process]) -> int:
    """Bytes that a group takes, pages shared between its processes counted once."""
    total = 0
    for process in group:
        try:
            total += getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss
        except processes.GONE:
            continue
    return total


class Supervisor:
    """The services of one state folder."""

    def __init__(self, home: Path):
        self.home = home
        self._children: list[subprocess.Popen] = []  # collected when they end, lest they stay zombies of ours

    def start(self, service: Service, environment: Mapping[str, str]) -> bool:
        """Starts the service unless it runs with this very command and environment. Returns whether it started one."""
        recipe = hashlib.sha256(json.dumps([service.command, sorted(environment.items())]).encode()).hexdigest()
        record = processes.read_record(self._record(service.name))
        if record and record.recipe == recipe and record.process():
            return False
        self.stop(service.name)
        child = processes.start(
            self.command(service.command), self._mark(service.name), environment, self.log(service.name)
        )
        processes.write_record(self._record(service.name), child.pid, recipe)
        self._children.append(child)
        return True

    def run(self, name: str, command: Iterable[str], environment: Mapping[str, str]) -> subprocess.Popen:
        """Starts a command that ends by itself; finish() waits for it."""
        return processes.start(self.command(command), self._mark(name), environment, self.log(name))

    def finish(self, name: str, child: subprocess.Popen) -> None:
        """Raises ServiceDied when the command failed."""
        if child.wait() != os.EX_OK:
            raise ServiceDied(service=name, log=str(self.log(name)))

    def stop(self, name: str) -> None:
        """Stops the service with everything it started; forgets that it should run."""
        processes.stop(self._mark(name))
        self._record(name).unlink(missing_ok=True)
        self._children = [child for child in self._children if child.poll() is None]

    def wait_healthy(self, services: Iterable[Service], timeout: float, report: Callable[[Service], None]) -> None:
        """Returns when all are healthy, reporting each as it becomes so. Raises ServiceDied or ServiceNotReady."""
        waiting = list(services)
        deadline = time.monotonic() + timeout
        while waiting:
            for service in tuple(waiting):
                state, _ = self._look(service)
                if state in (DEAD, STOPPED):
                    raise ServiceDied(service=service.name, log=str(self.log(service.name)))
                if state == HEALTHY:
                    waiting.remove(service)
                    report(service)
            if waiting and time.monotonic() > deadline:
                raise ServiceNotReady(service=waiting[0].name, log=str(self.log(waiting[0].name)))
            time.sleep(PATIENCE if waiting else 0)

    def status(self, service: Service) -> Status:
        state, process = self._look(service)
        shown = Status(service.name, state, address=service.opens, log=self.log(service.name))
        if process is None:
            return shown
        group = processes.marked(self._mark(service.name))
        return replace(shown, pid=process.pid, uptime=time.time() - process.create_time(), memory=memory_of(group))

    def _look(self, service: Service) -> tuple[str, psutil.Process | None]:
        """State and first process, None unless it lives."""
        record = processes.read_record(self._record(service.name))
        if record is None:
            return STOPPED, None
        process = record.process()
        return (check(service, process), process) if process else (DEAD, None)

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    @staticmethod
    def command(declared: Iterable[str]) -> list[str]:
        return [sys.executable if word == "python" else word for word in declared]

    def _mark(self, name: str) -> str:
        return f"{self.home}:{name}"

    def _record(self, name: str) -> Path:
        return self.home / "run" / f"{name}.json"
