"""Airflow's REST API as an operator uses it: trigger, backfill, answer, wait."""

import time
from collections.abc import Callable
from datetime import date

import httpx

from ml.errors import TrailguardError

POLL_SECONDS = 1.0
NOTICED_SECONDS = 8.0  # by then the scheduler knows that a task waits
FINISHED = {"success", "failed"}


class DagRunFailed(TrailguardError):
    """A DAG run failed.

    Its tasks' logs in Airflow tell why.
    """


class WaitedTooLong(TrailguardError):
    """Airflow did not get there in time.

    `make status` tells whether its services are well; their logs are beside the state.
    """


Progress = Callable[[str], None]


class AirflowClient:
    """Speaks as one user.

    Args:
        address: of the API server, with its scheme.
        user, password: of Airflow's own login.
    """

    def __init__(self, address: str, user: str, password: str):
        # trust_env=False: a proxy set for the internet must not be asked for our own addresses
        self._http = httpx.Client(base_url=f"{address}/api/v2", timeout=60, trust_env=False)
        token = self._http.post(f"{address}/auth/token", json={"username": user, "password": password})
        token.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def wait_for_dags(self, dag_ids: set[str], *, timeout: float = 120) -> None:
        """Until the DAG processor has read every one of them."""

        def known() -> bool:
            return dag_ids <= {dag["dag_id"] for dag in self._get("/dags", limit=100)["dags"]}

        self._until(known, timeout, f"dags {sorted(dag_ids)}")

    def unpause(self, dag_id: str) -> None:
        self._http.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag_id: str, **conf: object) -> str:
        """Starts a DAG run by hand and returns its id."""
        answer = self._http.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        answer.raise_for_status()
        return answer.json()["dag_run_id"]

    def wait_for_new_run(self, dag_id: str, *, timeout: float = 120) -> str:
        """The id of the DAG's unfinished run, as soon as an asset or a timetable has started one."""
        found: list[str] = []

        def started() -> bool:
            runs = self._get(f"/dags/{dag_id}/dagRuns", order_by="-id", limit=1)["dag_runs"]
            found[:] = [run["dag_run_id"] for run in runs if run["state"] not in FINISHED]
            return bool(found)

        self._until(started, timeout, f"a run of {dag_id}")
        return found[0]

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout: float = 3600, tell: Progress | None = None) -> dict:
        """Until the DAG run has finished; returns it. Raises DagRunFailed, naming the tasks that failed."""
        state: dict = {}

        def finished() -> bool:
            state.update(self._get(f"/dags/{dag_id}/dagRuns/{run_id}"))
            if tell:
                tell(f"{dag_id}: {self._progress(dag_id, run_id)}")
            return state["state"] in FINISHED

        self._until(finished, timeout, f"{dag_id} {run_id}")
        if state["state"] == "failed":
            failed = [task["task_id"] for task in self.tasks(dag_id, run_id) if task["state"] == "failed"]
            raise DagRunFailed(dag=dag_id, run=run_id, tasks=failed)
        return state

    def tasks(self, dag_id: str, run_id: str) -> list[dict]:
        """The run's task instances, in the order in which they started."""
        return self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200, order_by="start_date")[
            "task_instances"
        ]

    def runs(self, *states: str, dag_id: str = "~") -> list[dict]:
        """DAG runs of one DAG or of all, in these states or in any, in the order in which they were asked for."""
        query = {"order_by": "id", "limit": 100, "state": list(states)}
        found: list[dict] = []
        while page := self._get(f"/dags/{dag_id}/dagRuns", offset=len(found), **query)["dag_runs"]:
            found += page
        return found

    def returned(self, dag_id: str, run_id: str, task_id: str) -> object:
        """What the task returned; None where it returned nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        answer = self._http.get(path, params={"deserialize": True})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return answer.json()["value"]

    def causes(self, dag_id: str, run_id: str) -> list[str]:
        """Ids of the DAG runs whose assets started this one."""
        found = self._get(f"/dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents")["asset_events"]
        return [event["source_run_id"] for event in found]

    def question(self, dag_id: str, run_id: str, task_id: str) -> dict:
        """What a person is, or was, asked: subject, body, and once answered chosen_options and responded_by_user."""
        return self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails")

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> list[str]:
        """The lines of a task's log."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        return [line["event"] for line in self._get(path)["content"] if isinstance(line, dict)]

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str, *, timeout: float = 600) -> None:
        """Answers a task that waits for a person, and sees to it that the answer is taken. Raises DagRunFailed.

        Airflow 3.3 loses an answer that comes before its scheduler has noticed that the task waits, and asks again.
        """
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        waiting_since: list[float] = []

        def taken() -> bool:
            states = {task["task_id"]: task["state"] for task in self.tasks(dag_id, run_id)}
            failed = [name for name, state in states.items() if state == "failed"]
            if failed:
                raise DagRunFailed(dag=dag_id, run=run_id, tasks=failed)
            if states.get(task_id) != "awaiting_input":
                waiting_since.clear()
            elif not waiting_since:
                waiting_since.append(time.monotonic())
            elif time.monotonic() - waiting_since[0] > NOTICED_SECONDS:
                self._http.patch(path, json={"chosen_options": [option], "params_input": {}})
            return states.get(task_id) == "success"

        self._until(taken, timeout, f"{dag_id}.{task_id} to take an answer")

    def backfill(
        self,
        dag_id: str,
        first: date,
        last: date,
        *,
        reprocess: str = "none",
        backwards: bool = False,
        max_active_runs: int = 4,
        timeout: float = 3600,
        tell: Progress | None = None,
    ) -> list[dict]:
        """Runs the daily intervals that start on `first` to `last`, both included, and returns their DAG runs.

        reprocess: "none", "failed" or "completed": which existing runs are run again.
        Raises DagRunFailed.
        """
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "reprocess_behavior": reprocess,
            "run_backwards": backwards,
            "max_active_runs": max_active_runs,
        }

        def accepted() -> bool:
            answer = self._http.post("/backfills", json=body)
            if answer.status_code == httpx.codes.CONFLICT:  # the one before is not closed yet
                return False
            answer.raise_for_status()
            return True

        self._until(accepted, 120, f"an open backfill of {dag_id} to close")
        return self._wait_for_intervals(dag_id, body["from_date"], body["to_date"], timeout, tell)

    def _wait_for_intervals(
        self, dag_id: str, first: str, last: str, timeout: float, tell: Progress | None
    ) -> list[dict]:
        runs: list[dict] = []

        def finished() -> bool:
            found = self._get(f"/dags/{dag_id}/dagRuns", logical_date_gte=first, logical_date_lte=last, limit=100)
            runs[:] = found["dag_runs"]
            done = sum(run["state"] in FINISHED for run in runs)
            if tell:
                tell(f"{dag_id}: {done} of {len(runs)} intervals")
            return bool(runs) and done == len(runs)

        self._until(finished, timeout, f"backfill of {dag_id} from {first}")
        failed = [run["dag_run_id"] for run in runs if run["state"] == "failed"]
        if failed:
            raise DagRunFailed(dag=dag_id, runs=failed)
        return runs

    def _progress(self, dag_id: str, run_id: str) -> str:
        return ", ".join(f"{task['task_id']} {task['state'] or 'waiting'}" for task in self.tasks(dag_id, run_id)[-2:])

    def _get(self, path: str, **query: object) -> dict:
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    @staticmethod
    def _until(condition: Callable[[], bool], timeout: float, what: str) -> None:
        give_up = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > give_up:
                raise WaitedTooLong(waited_for=what, seconds=round(timeout))
            time.sleep(POLL_SECONDS)
