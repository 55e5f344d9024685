"""`python -m infra.local.demo`: the whole journey on one machine, from raw files to flags read back from Postgres.

Nothing in it is a stand-in: Airflow's scheduler runs every stage, MLflow keeps the models, PostgreSQL the flags. What a
person would click (trigger, backfill, approve), the demo asks of Airflow's REST API.
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
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from infra.local.airflow_client import AirflowClient
from infra.local.demo_report import print_report, read_flags
from infra.local.homes import ROOT, all_homes, home_of, make_current
from infra.local.stack import Stack
from ml.datasets.descriptor import Descriptor
from ml.datasets.find import find_dataset
from ml.errors import ExitCode, TrailguardError
from ml.files import write_json
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
    """A stage that the demo started by hand failed.

    Its message is above.
    """


@dataclass
class Journey:
    """One demo: its dataset, its stack, and how long each stage took."""

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


def travel(data: str, home: Path, *, approve: bool, secure: bool = False) -> Journey:
    """Runs the journey. Raises TrailguardError where a stage refuses or fails."""
    descriptor = find_dataset(data)
    if descriptor.demo is None:
        raise NoDemoPlan(descriptor=descriptor.path)
    journey = Journey(descriptor, Stack(home))
    _simulate(journey)
    _start(journey, data, secure=secure)
    airflow = log_in(journey)
    plan = descriptor.demo
    _load(journey, airflow, plan.history_start, plan.as_of, "history")
    _train(journey, airflow)
    _promote(journey, airflow, approve=approve)
    _load(journey, airflow, plan.as_of, plan.history_end, "days after it")
    _score(journey, airflow)
    return journey


def _simulate(journey: Journey) -> None:
    raw = journey.stack.home / "raw"
    if journey.descriptor.folder is None and not raw.exists():
        with journey.stage("simulate the marketplace"):
            run_stage(journey, "simulate-marketplace", "--out", str(raw))


def _start(journey: Journey, data: str, *, secure: bool) -> None:
    plan = journey.descriptor.demo
    variables = {
        "TRAILGUARD_DATASET": str(Path(data).resolve()) if Path(data).exists() else data,
        "TRAILGUARD_SOURCE_ENDS": plan.history_end.isoformat(),
        "TRAILGUARD_PRECISION_FLOOR": str(plan.precision_floor),
        "TRAILGUARD_ALERT_BUDGET": str(plan.alert_budget),
    }
    with journey.stage("start PostgreSQL, MLflow, Airflow") as status:
        generated = journey.stack.up(variables, status.update, secure=secure)
    make_current(journey.stack.home)
    if generated:
        screen.print("  Passwords, shown this once; they stay in secrets.env, mode 600:")
        for user, password in journey.stack.logins.items():
            screen.print(f"    {user:<15} {password}", markup=False)


def _stop_others(home: Path) -> None:
    """One stack at a time: two would share two cores."""
    for other in all_homes():
        if other.resolve() != home.resolve():
            Stack(other).down()


def log_in(journey: Journey) -> AirflowClient:
    """The administrator's client, once Airflow knows every DAG; all of them unpaused."""
    site, secrets = journey.stack.site, journey.stack.secrets
    airflow = AirflowClient(f"http://{site.airflow}", "admin", secrets["AIRFLOW_ADMIN_PASSWORD"])
    airflow.wait_for_dags(DAGS)
    for dag_id in sorted(DAGS):
        airflow.unpause(dag_id)
    return airflow


def _load(journey: Journey, airflow: AirflowClient, start: date, end: date, what: str) -> None:
    with journey.stage(f"ingest {what}: {start} to {end}") as status:
        runs = {dag: airflow.trigger(dag, start=str(start), end=str(end)) for dag in ("ingest_events", "ingest_labels")}
        for dag, run in runs.items():
            airflow.wait_for_run(dag, run, tell=status.update)


def _train(journey: Journey, airflow: AirflowClient) -> None:
    with journey.stage(f"train, calibrate, register as of {journey.descriptor.demo.as_of}") as status:
        run = airflow.trigger("train_model", as_of=str(journey.descriptor.demo.as_of))
        airflow.wait_for_run("train_model", run, tell=status.update)


def _promote(journey: Journey, airflow: AirflowClient, *, approve: bool) -> None:
    with journey.stage("promote") as status:
        run = airflow.wait_for_new_run("promote_model")
        if approve:
            airflow.answer("promote_model", run, "approve", "Approve")
        else:
            status.update(f"waiting for your answer: http://{journey.stack.site.airflow}/required_actions")
        airflow.wait_for_run("promote_model", run, tell=status.update if approve else None)


def _score(journey: Journey, airflow: AirflowClient) -> None:
    first, last = journey.descriptor.demo.as_of, journey.last_scored_day
    with journey.stage(f"score by backfill: {first} to {last}") as status:
        airflow.backfill("score_users", first, last, tell=status.update)


def evaluate(journey: Journey) -> dict:
    """Ours beside the baseline on users first seen after the training: {"users", "anomalous", "metrics"}."""
    plan = journey.descriptor.demo
    with journey.stage("evaluate on users first seen afterwards"):
        return run_stage(journey, "evaluate-later", "--as-of", str(plan.as_of), "--until", str(plan.history_end))


def run_stage(journey: Journey, *arguments: str, account: Account = Account.PIPELINE) -> dict:
    """Runs a stage by hand, as a shell would."""
    started = environment_of(account, journey.stack.environment()) if journey.stack.settings.ports else {}
    environment = os.environ | started
    command = [sys.executable, "-m", "ml", *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise StageFailed(stage=arguments[0], status=done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


def main(
    data: Annotated[str, typer.Option(help="a shipped dataset, a descriptor or its folder")] = "marketplace",
    approve: Annotated[bool, typer.Option(help="answer the promotion's question through the API")] = True,
    secure: Annotated[bool, typer.Option("--secure", help="MLflow asks everybody who they are; remembered")] = False,
) -> None:
    """Raw events to flags, in one go."""
    start = time.monotonic()
    try:
        home = home_of(data)
        _stop_others(home)
        journey = travel(data, home, approve=approve, secure=secure)
        metrics = evaluate(journey)["metrics"]
    except TrailguardError as error:
        screen.print(f"[red]{error}[/]", markup=True)
        raise typer.Exit(error.exit_code) from None
    flags = read_flags(journey.stack)
    facts = {"dataset": journey.descriptor.name, "flags": flags.rows, "metrics": metrics, "stages": journey.seconds}
    write_json(ROOT / "demo.json", facts)
    print_report(screen, journey.stack, flags, metrics, journey.seconds, time.monotonic() - start)


if __name__ == "__main__":
    typer.run(main)
