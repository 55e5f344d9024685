"""A dataset's journey through the embedded stack, stage by stage: what a demo, a test and a soak have in common.

Nothing in it is a stand-in: Airflow's scheduler runs every stage, MLflow keeps the models, PostgreSQL the flags. What a
person would click (trigger, approve), it asks of Airflow's REST API.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.status import Status

from infra.local.airflow_client import AirflowClient
from infra.local.homes import make_current
from infra.local.stack import Stack
from ml.datasets.descriptor import Descriptor
from ml.datasets.find import find_dataset
from ml.errors import ExitCode, TrailguardError
from plugins.trailguard_accounts import Account, environment_of

DAGS = {
    "ingest_events",
    "ingest_labels",
    "train_model",
    "update_model",
    "choose_threshold",
    "promote_model",
    "rollback_model",
    "score_users",
    "shadow_challenger",
    "monitor_model",
    "erase_user",
}
screen = Console(highlight=False, soft_wrap=True)


class NoDemoPlan(TrailguardError):
    """The descriptor does not say which days a demo should load, train on and score.

    Add a `demo:` section with history_start, as_of, score_days and history_end.
    """

    exit_code = ExitCode.USAGE


class StageFailed(TrailguardError):
    """A stage that was started by hand failed.

    Its message is above.
    """


@dataclass
class Journey:
    """One dataset on its way: the dataset, its stack, and how long each stage took."""

    descriptor: Descriptor
    stack: Stack
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Status]:
        """Times a stage and shows that it is under way."""
        start = time.monotonic()
        with screen.status(f"{name} ...") as status:
            yield status
        self.seconds[name] = round(time.monotonic() - start, 1)
        screen.print(f"[green]✓[/] {name}  [dim]{self.seconds[name]:.1f} s[/]")

    @property
    def last_scored_day(self) -> date:
        return self.descriptor.demo.as_of + timedelta(days=self.descriptor.demo.score_days - 1)


def open_journey(data: str, home: Path) -> Journey:
    """data: a shipped dataset, a descriptor or its folder. Raises NoDemoPlan."""
    descriptor = find_dataset(data)
    if descriptor.demo is None:
        raise NoDemoPlan(descriptor=descriptor.path)
    return Journey(descriptor, Stack(home))


def start_stack(journey: Journey, data: str, *, secure: bool, **chosen: object) -> None:
    """chosen: further settings of the deployment, by the names of their variables."""
    plan = journey.descriptor.demo
    variables = {
        "TRAILGUARD_DATASET": str(Path(data).resolve()) if Path(data).exists() else data,
        "TRAILGUARD_SOURCE_ENDS": plan.history_end.isoformat(),
        "TRAILGUARD_PRECISION_FLOOR": str(plan.precision_floor),
        "TRAILGUARD_ALERT_BUDGET": str(plan.alert_budget),
        **{name: str(value) for name, value in chosen.items()},
    }
    with journey.stage("start PostgreSQL, MLflow, Airflow") as status:
        generated = journey.stack.up(variables, status.update, secure=secure)
    make_current(journey.stack.home)
    if generated:
        screen.print("  Passwords, shown this once; they stay in secrets.env, mode 600:")
        for user, password in journey.stack.logins.items():
            screen.print(f"    {user:<15} {password}", markup=False)


def log_in(journey: Journey) -> AirflowClient:
    """The administrator's client, once Airflow knows every DAG; all of them unpaused."""
    site, secrets = journey.stack.site, journey.stack.secrets
    airflow = AirflowClient(f"http://{site.airflow}", "admin", secrets["AIRFLOW_ADMIN_PASSWORD"])
    airflow.wait_for_dags(DAGS)
    for dag_id in sorted(DAGS):
        airflow.unpause(dag_id)
    return airflow


def load(journey: Journey, airflow: AirflowClient, start: date, end: date, what: str) -> None:
    """The raw files of [start, end), in one go."""
    with journey.stage(f"ingest {what}: {start} to {end}") as status:
        runs = {dag: airflow.trigger(dag, start=str(start), end=str(end)) for dag in ("ingest_events", "ingest_labels")}
        for dag, run in runs.items():
            airflow.wait_for_run(dag, run, tell=status.update)


def train(journey: Journey, airflow: AirflowClient) -> None:
    """The first champion-to-be, as of the plan's day."""
    with journey.stage(f"train, calibrate, register as of {journey.descriptor.demo.as_of}") as status:
        run = airflow.trigger("train_model", as_of=str(journey.descriptor.demo.as_of))
        airflow.wait_for_run("train_model", run, tell=status.update)


def promote(journey: Journey, airflow: AirflowClient, *, approve: bool) -> None:
    """approve: answer the question that training has raised; else a person does."""
    with journey.stage("promote") as status:
        run = airflow.wait_for_new_run("promote_model")
        if approve:
            airflow.answer("promote_model", run, "approve", "Approve")
        else:
            status.update(f"waiting for your answer: http://{journey.stack.site.airflow}/required_actions")
        airflow.wait_for_run("promote_model", run, tell=status.update if approve else None)


def run_stage(journey: Journey, *arguments: str, account: Account = Account.PIPELINE) -> dict:
    """Runs a stage by hand, as a shell would."""
    started = environment_of(account, journey.stack.environment()) if journey.stack.settings.ports else {}
    environment = os.environ | started
    command = [sys.executable, "-m", "ml", *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise StageFailed(stage=arguments[0], status=done.returncode)
    return json.loads(done.stdout.splitlines()[-1])
