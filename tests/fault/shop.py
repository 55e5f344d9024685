"""The running shop that faults are injected into, and what can be done to it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import mlflow
import psutil

from infra.local import processes
from infra.local.airflow_client import AirflowClient
from infra.local.health import HEALTHY
from infra.local.journey import Journey
from infra.local.stack import Stack
from plugins.trailguard_accounts import environment_of
from tests.fault.steps import Step

PATIENCE = 600  # seconds until something that must happen has not happened


class NothingStruck(AssertionError):
    """The armed fault befell nobody: the test would have passed on nothing."""


@dataclass(frozen=True)
class Done:
    """How a stage ended. status: negative for a signal. told: the JSON object of its last line, if it ended well."""

    stage: str
    status: int
    told: dict
    said: str

    def require_ok(self) -> "Done":
        assert self.status == 0, f"{self.stage} ended with {self.status}: {self.said[-2000:]}"
        return self


@dataclass
class Shop:
    """allowed: what the recommender may be shown meanwhile. afterwards: what a fault's end puts right again. started:
    stages that were started since the last fault."""

    journey: Journey
    airflow: AirflowClient
    allowed: set[str] = field(default_factory=set)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    started: list[subprocess.Popen] = field(default_factory=list)

    @property
    def stack(self) -> Stack:
        return self.journey.stack

    @property
    def lake(self) -> Path:
        return self.stack.home / "lake"

    @property
    def raw(self) -> Path:
        return self.journey.descriptor.folder

    @cached_property
    def days(self) -> list[date]:
        plan = self.journey.descriptor.demo
        return [plan.as_of + timedelta(days=day) for day in range(plan.score_days)]

    def day(self, round_: int) -> date:
        """Another one for each round."""
        return self.days[round_ % len(self.days)]

    @cached_property
    def threshold_id(self) -> str:
        query = "SELECT threshold_id FROM scoring_run WHERE stands ORDER BY interval_start DESC LIMIT 1"
        return self.ask(query)[0][0]

    @cached_property
    def registry(self) -> mlflow.MlflowClient:
        """MLflow as its administrator sees it."""
        os.environ |= {
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.stack.secrets["MLFLOW_ADMIN_PASSWORD"],
        }
        return mlflow.MlflowClient(f"http://{self.stack.site.mlflow}")

    def url(self, role: str) -> str:
        return self.stack.postgres.url(role, "trailguard")

    def ask(self, statement: str, arguments: tuple = ()) -> list[tuple]:
        """As the superuser."""
        return self.stack.postgres.execute(statement, arguments, "trailguard")

    # --- stages, as a task starts them ---

    def start(self, step: Step) -> subprocess.Popen:
        environment = environment_of(step.account, os.environ | self.stack.environment())
        command = [sys.executable, "-m", step.module, step.stage, *step.arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.started.append(subprocess.Popen(command, env=environment, start_new_session=True, **pipes))
        return self.started[-1]

    def finish(self, step: Step, process: subprocess.Popen) -> Done:
        told, said = process.communicate(timeout=PATIENCE)
        lines = told.strip().splitlines()
        return Done(step.stage, process.returncode, json.loads(lines[-1]) if not process.returncode else {}, said)

    def stage(self, step: Step) -> Done:
        return self.finish(step, self.start(step))

    def run(self, *steps: Step) -> list[Done]:
        """Each must end well."""
        return [self.stage(step).require_ok() for step in steps]

    def fail(self, step: Step, at: tuple[str, int], harm: Callable[[], None], *, after: bool = False) -> None:
        """The stage stands still at a call, harm is done, and it goes on and fails."""
        self.arm(step, "hold", at, after=after)
        process = self.start(step)
        held = self.held()
        harm()
        held.resume()
        assert self.finish(step, process).status == 1, "what failed here is tried again"

    # --- faults ---

    def arm(self, step: Step, act: str, *at: tuple[str, int], after: bool = False, **more: object) -> None:
        """See tests/fault/inside/strike.py."""
        self.disarm()
        order = {"module": step.module, "stage": step.stage, "at": at, "act": act, "after": after, **more}
        unfinished = self.stack.home / "fault.json.new"
        unfinished.write_text(json.dumps(order, default=str))
        unfinished.rename(self._order)

    def disarm(self) -> None:
        for name in ("fault.json", "struck.json", "striking.json"):
            (self.stack.home / name).unlink(missing_ok=True)

    def struck(self, patience: float = PATIENCE) -> psutil.Process | None:
        """Waits until the armed fault has struck; the process that it befell, None if it is gone.

        Raises NothingStruck.
        """
        file = self.stack.home / "struck.json"
        give_up = time.monotonic() + patience
        while not file.exists():
            if time.monotonic() > give_up:
                raise NothingStruck(self._order.read_text() if self._order.exists() else "no order")
            time.sleep(0.05)
        pid = json.loads(file.read_text())["pid"]
        return psutil.Process(pid) if psutil.pid_exists(pid) else None

    def held(self) -> psutil.Process:
        """The process that stands still at its moment."""
        process = self.struck()
        until(lambda: process.status() == psutil.STATUS_STOPPED, "the process to stand still", 30)
        return process

    def kill_service(self, name: str, *, alone: bool = False) -> None:
        """All of the service's processes, as the system would kill them. alone: the first only; the others live on."""
        group = processes.marked(f"{self.stack.home}:{name}")
        if alone:
            first = processes.read_record(self.stack.home / "run" / f"{name}.json").process()
            group = [first] if first else []
        assert group, f"{name} does not run"
        for process in group:
            process.kill()

    def heal(self) -> None:
        """What an operator does: `make up`, unless all is well."""
        if any(status.state != HEALTHY for status in self.stack.status()):
            self.stack.up()

    def restore(self) -> None:
        """Gives back what the fault had taken, the last first, whether it went well or not."""
        self.disarm()
        while self.started:
            process = self.started.pop()
            if process.poll() is None:  # the fault went wrong, and left it where it stood
                process.kill()
        while self.afterwards:
            self.afterwards.pop()()

    @property
    def _order(self) -> Path:
        return self.stack.home / "fault.json"


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    give_up = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < give_up, f"waited {patience:.0f} s for {what}"
        time.sleep(0.1)
