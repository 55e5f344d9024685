"""Processes that outlive the command that started them: found again, watched, and stopped with all they started."""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

# Children are recognised by their environment: sessions and parents are lost when one of them daemonises or dies.
MARK = "TRAILGUARD_SERVICE"
KEEP_ENVIRONMENT = {"SPT_NOENV": "1"}  # else setproctitle, which Airflow uses, overwrites what we look for
GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


@dataclass(frozen=True)
class Record:
    """What <home>/run/<service>.json remembers of a started service."""

    pid: int
    created: float  # the process's start, seconds since the epoch: tells it from a later one with the same pid
    recipe: str  # digest of command and environment

    def process(self) -> psutil.Process | None:
        """The service's first process while it lives."""
        with suppress(*GONE):
            process = psutil.Process(self.pid)
            if process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def read_record(file: Path) -> Record | None:
    try:
        return Record(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None


def start(command: Iterable[str], mark: str, environment: Mapping[str, str], log: Path) -> subprocess.Popen:
    """Starts a command in a session of its own, its output appended to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            env={**os.environ, **environment, **KEEP_ENVIRONMENT, MARK: mark},
            cwd=environment["PYTHONPATH"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def write_record(file: Path, pid: int, recipe: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(Record(pid, psutil.Process(pid).create_time(), recipe))))


def marked(mark: str) -> list[psutil.Process]:
    """Every living process that bears the mark, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        with suppress(*GONE):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def stop(mark: str, grace: float = 15) -> None:
    """Asks every marked process to end, and kills those, and their late children, that have not after `grace` s."""
    asked = set(marked(mark))
    _signal(asked, "terminate")
    deadline = time.monotonic() + grace
    # one that is ending loses its environment, and the mark with it, before it is gone
    while remaining := {*filter(_lives, asked), *marked(mark)}:
        asked |= remaining
        if time.monotonic() > deadline:
            _signal(remaining, "kill")
        time.sleep(0.1)


def _lives(process: psutil.Process) -> bool:
    with suppress(*GONE):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _signal(processes: Iterable[psutil.Process], verb: str) -> None:
    for process in processes:
        with suppress(*GONE):
            getattr(process, verb)()
