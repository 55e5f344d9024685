"""What happens between two days: all that the platform has started by itself comes to an end, and people answer."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta

from infra.local.airflow_client import AirflowClient, DagRunFailed
from tests.soak.owner import answer

POLL_SECONDS = 3.0
QUIET_SECONDS = 12.0  # within which an asset has started the DAG run that waits for it
LONGEST = timedelta(minutes=20)
UNFINISHED = ("queued", "running")
PROMOTE = "promote_model"


class EndlessNight(Exception):
    """Something that the platform started does not come to an end."""


def sleep_over(airflow: AirflowClient, today: date, shadow_until: Callable[[str], date]) -> None:
    """Returns when nothing runs any more but promotions whose shadow days are still to come.

    shadow_until: the last day of a candidate's shadow. Raises EndlessNight.
    """
    give_up = time.monotonic() + LONGEST.total_seconds()
    quiet_since = None if airflow.runs(*UNFINISHED) else float("-inf")
    while quiet_since is None or time.monotonic() - quiet_since < QUIET_SECONDS:
        if time.monotonic() > give_up:
            raise EndlessNight([run["dag_run_id"] for run in airflow.runs(*UNFINISHED)])
        time.sleep(POLL_SECONDS)
        busy = [run for run in airflow.runs(*UNFINISHED) if not _waits_for_tomorrow(airflow, run, today, shadow_until)]
        for run in busy:
            _answer(airflow, run)
        quiet_since = None if busy else quiet_since or time.monotonic()


def _waits_for_tomorrow(airflow: AirflowClient, run: dict, today: date, shadow_until: Callable[[str], date]) -> bool:
    if run["dag_id"] != PROMOTE:
        return False
    gate = airflow.returned(PROMOTE, run["dag_run_id"], "check_gate")
    return bool(gate and gate["champion"]) and shadow_until(gate["version"]) > today


def _answer(airflow: AirflowClient, run: dict) -> None:
    """Where the DAG run waits for a person, the model owner answers."""
    if run["dag_id"] != PROMOTE:
        return
    states = {task["task_id"]: task["state"] for task in airflow.tasks(PROMOTE, run["dag_run_id"])}
    if states.get("approve") != "awaiting_input":
        return
    question = airflow.question(PROMOTE, run["dag_run_id"], "approve")
    with suppress(DagRunFailed):  # the diary tells
        airflow.answer(PROMOTE, run["dag_run_id"], "approve", answer(question["body"]).option)
