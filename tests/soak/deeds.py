"""What ran besides the daily DAGs, as Airflow tells it: trainings, thresholds, promotions and their questions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from infra.local.airflow_client import AirflowClient
from tests.soak.entries import candidate_of
from tests.soak.night import PROMOTE
from tests.soak.owner import answer
from tests.soak.week import Evening, Week

DAILY = {"ingest_events", "ingest_labels", "score_users", "shadow_challenger", "monitor_model"}
FAILED = "Task failed with exception"  # what the stage said last stands above it


def read_deeds(week: Week, evenings: Sequence[Evening]) -> dict[int, list[dict]]:
    """Number of the day on which it began, 0 before the week -> DAG runs in the order in which they began."""
    found, candidates = defaultdict(list), {}
    for run in week.airflow.runs():
        if run["dag_id"] in DAILY:
            continue
        deed = _tell(week.airflow, run, evenings)
        if deed["dag"] == PROMOTE:
            causes = week.airflow.causes(PROMOTE, run["dag_run_id"])
            deed["candidate"] = next((candidates[cause] for cause in causes if cause in candidates), None)
        elif candidate := candidate_of(deed):
            candidates[run["dag_run_id"]] = candidate
        found[_day_of(run["start_date"], evenings)].append(deed)
    return found


def _day_of(moment: str, evenings: Sequence[Evening]) -> int:
    at = datetime.fromisoformat(moment)
    return sum(evening.began <= at for evening in evenings)


def _tell(airflow: AirflowClient, run: dict, evenings: Sequence[Evening]) -> dict:
    dag_id, run_id = run["dag_id"], run["dag_run_id"]
    tasks = {task["task_id"]: task for task in airflow.tasks(dag_id, run_id)}
    told = {
        "dag": dag_id,
        "by": _starter(run),
        "asked": run["conf"],
        "state": run["state"],
        "seconds": _seconds(run),
        "returned": {
            name: airflow.returned(dag_id, run_id, name) for name, task in tasks.items() if task["state"] == "success"
        },
        "refused": _refusals(airflow, dag_id, run_id, tasks),
        "skipped": sorted(name for name, task in tasks.items() if task["state"] == "skipped"),
    }
    if run["end_date"]:
        told["ended_on"] = _day_of(run["end_date"], evenings)
    if dag_id == PROMOTE and tasks.get("approve", {}).get("state") == "success":
        told["question"] = _question(airflow, run_id, evenings)
    return told


def _starter(run: dict) -> str:
    if run["dag_run_id"].startswith("monitor__"):
        return "the monitor"
    return "a new challenger" if run["run_type"] == "asset_triggered" else "a person"


def _seconds(run: dict) -> int | None:
    if not run["end_date"]:
        return None
    return round((datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds())


def _refusals(airflow: AirflowClient, dag_id: str, run_id: str, tasks: dict[str, dict]) -> dict[str, str]:
    """Task that failed -> what its log says last."""
    failed = {name: task["try_number"] for name, task in tasks.items() if task["state"] == "failed"}
    return {name: _last_words(airflow.log(dag_id, run_id, name, attempt)) for name, attempt in failed.items()}


def _last_words(log: list[str]) -> str:
    end = log.index(FAILED) if FAILED in log else len(log)
    said = [line for line in log[:end] if line and not line.startswith("::")]
    return said[-1] if said else "its log is empty"


def _question(airflow: AirflowClient, run_id: str, evenings: Sequence[Evening]) -> dict:
    asked = airflow.question(PROMOTE, run_id, "approve")
    return {
        "subject": asked["subject"],
        "body": asked["body"],
        "answer": asked["chosen_options"][0],
        "why": answer(asked["body"]).why,
        "by": (asked.get("responded_by_user") or {}).get("name", ""),
        "on": _day_of(asked["responded_at"], evenings),
    }
