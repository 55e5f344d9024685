"""Takes a promotion back: the champion before this one acts again.

**Reads** `promotion_ledger` and the alias `champion`. **Writes** the alias and one row of the ledger.

One action, no question: trigger it with a reason. The next interval is scored by the version that acts then, with its
own threshold. Intervals that are published stand; to publish them anew with that version, backfill `score_users` with
reprocessing.

**When it fails** the champion stays.

- `rollback_model` refused: the ledger knows of no champion before this one, or the alias was moved in MLflow itself;
  name the version with `to`.
- It refused because this DAG run has moved the alias before, and others have moved it since: trigger a new one.
- It failed half-way: clear it. What it began it ends; it does not go back twice.
"""

from airflow.sdk import Param, dag, task

from dags.assets import CHAMPION
from dags.schedules import ON_DEMAND, Stage


@task(task_id="rollback_model", outlets=[CHAMPION])
def move_back(reason: str, decided_by: str, to: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    asked = {"reason": reason, "decided_by": decided_by, "to": to}
    return run_stage("rollback-model", account="promoter", **asked, dag_run_id=dag_run_id)


@dag(
    **ON_DEMAND,
    params={
        "reason": Param(type="string", minLength=1, description="why, for the ledger"),
        "to": Param(None, type=["null", "string"], description="version to act; default: the champion before this one"),
    },
    tags=[Stage.PROMOTE],
    doc_md=__doc__,
)
def rollback_model():
    person = "{{ dag_run.triggering_user_name or 'a program' }}"
    move_back("{{ params.reason }}", person, "{{ params.to or '' }}", "{{ run_id }}")


rollback_model()
