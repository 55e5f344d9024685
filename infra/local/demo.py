"""`python -m infra.local.demo`: the whole journey on one machine, from raw files to flags read back from Postgres.

Nothing in it is a stand-in: Airflow's scheduler runs every stage, MLflow keeps the models, PostgreSQL the flags. What a
person would click (trigger, backfill, approve), the demo asks of Airflow's REST API.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

from infra.local.airflow_client import AirflowClient
from infra.local.demo_report import print_report, read_flags
from infra.local.homes import ROOT, all_homes, home_of
from infra.local.journey import Journey, load, log_in, open_journey, promote, run_stage, screen, start_stack, train
from infra.local.stack import Stack
from ml.errors import TrailguardError
from ml.files import write_json


def travel(data: str, home: Path, *, approve: bool, secure: bool = False) -> Journey:
    """Runs the journey. Raises TrailguardError where a stage refuses or fails."""
    journey = open_journey(data, home)
    _simulate(journey)
    start_stack(journey, data, secure=secure)
    airflow = log_in(journey)
    plan = journey.descriptor.demo
    load(journey, airflow, plan.history_start, plan.as_of, "history")
    train(journey, airflow)
    promote(journey, airflow, approve=approve)
    load(journey, airflow, plan.as_of, plan.history_end, "days after it")
    _score(journey, airflow)
    return journey


def _simulate(journey: Journey) -> None:
    raw = journey.stack.home / "raw"
    if journey.descriptor.folder is None and not raw.exists():
        with journey.stage("simulate the marketplace"):
            run_stage(journey, "simulate-marketplace", "--out", str(raw))


def _stop_others(home: Path) -> None:
    """One stack at a time: two would share two cores."""
    for other in all_homes():
        if other.resolve() != home.resolve():
            Stack(other).down()


def _score(journey: Journey, airflow: AirflowClient) -> None:
    first, last = journey.descriptor.demo.as_of, journey.last_scored_day
    with journey.stage(f"score by backfill: {first} to {last}") as status:
        airflow.backfill("score_users", first, last, tell=status.update)


def evaluate(journey: Journey) -> dict:
    """Ours beside the baseline on users first seen after the training: {"users", "anomalous", "metrics"}."""
    plan = journey.descriptor.demo
    with journey.stage("evaluate on users first seen afterwards"):
        return run_stage(journey, "evaluate-later", "--as-of", str(plan.as_of), "--until", str(plan.history_end))


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
