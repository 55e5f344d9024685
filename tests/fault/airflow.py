"""DAG runs of the running shop: done again from a task on, by the real scheduler."""

from datetime import date

import httpx
import psutil

from tests.fault.shop import Shop, until

DONE = {"success", "failed"}


def api(shop: Shop) -> httpx.Client:
    """As the administrator."""
    address = f"http://{shop.stack.site.airflow}"
    login = {"username": "admin", "password": shop.stack.secrets["AIRFLOW_ADMIN_PASSWORD"]}
    token = httpx.post(f"{address}/auth/token", json=login, trust_env=False, timeout=30).raise_for_status()
    headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
    return httpx.Client(base_url=f"{address}/api/v2", headers=headers, trust_env=False, timeout=30)


def run_of(shop: Shop, dag: str, day: date) -> str:
    """The DAG run of the day's interval."""
    moment = f"{day}T00:00:00Z"
    with api(shop) as airflow:
        found = airflow.get(f"/dags/{dag}/dagRuns", params={"logical_date_gte": moment, "logical_date_lte": moment})
    (run,) = found.raise_for_status().json()["dag_runs"]
    return run["dag_run_id"]


def clear(shop: Shop, dag: str, run: str, task: str) -> None:
    """The task and those after it are to be done again."""
    asked = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "include_downstream": True, "only_failed": False}
    with api(shop) as airflow:
        airflow.post(f"/dags/{dag}/clearTaskInstances", json=asked).raise_for_status()


def state(shop: Shop, dag: str, run: str) -> str:
    with api(shop) as airflow:
        return airflow.get(f"/dags/{dag}/dagRuns/{run}").raise_for_status().json()["state"]


def tries(shop: Shop, dag: str, run: str, task: str) -> int:
    with api(shop) as airflow:
        tasks = airflow.get(f"/dags/{dag}/dagRuns/{run}/taskInstances").raise_for_status().json()["task_instances"]
    return max(each["try_number"] for each in tasks if each["task_id"] == task)


def require_success(shop: Shop, dag: str, run: str) -> None:
    _see_end(shop, dag, run)
    assert state(shop, dag, run) == "success", f"{dag} {run} failed"


def see_through(shop: Shop, dag: str, run: str, task: str) -> None:
    """Until the DAG run has succeeded. Where its retries, seconds apart here, were over before a service was back, the
    task is cleared once, as an operator would."""
    _see_end(shop, dag, run)
    if state(shop, dag, run) == "failed":
        clear(shop, dag, run, task)
    require_success(shop, dag, run)


def _see_end(shop: Shop, dag: str, run: str) -> None:
    """An operator looks after the stack meanwhile: what a fault takes down with it may fall some seconds later."""

    def ended() -> bool:
        shop.heal()
        return state(shop, dag, run) in DONE

    until(ended, f"{dag} {run} to end")


def workers_of(stage: psutil.Process, scheduler: int) -> list[psutil.Process]:
    """The task's own process and the executor's worker that looks after it."""
    found = []
    for process in stage.parents():
        if process.pid in (scheduler, 1):
            break
        found.append(process)
    assert found, "a stage that Airflow started has a worker"
    return found
