"""Asks a person whether the challenger becomes the champion.

**Reads** the candidate behind the alias `challenger`, the version in production behind `champion` and the challenger's
frozen test slice. **Writes** a version of the model in production, which is a copy of the candidate, the threshold that
it takes along, the alias `champion` and one row of `promotion_ledger`.

Starts when `train_model` registers a challenger, or by hand. `check_gate` measures both on the same test slice; a
challenger that fails the gate is never offered. `approve` waits for an answer in *Required Actions* (default: reject
after seven days).

**When it fails** the champion stays.

- `check_gate` refused: the log and the task's return value name each gate with its figure.
- `approve` was rejected or timed out: `move_alias` is skipped; nothing changed.
- `move_alias` failed half-way: clear it; a candidate is copied once, and moving an alias to where it points writes
  nothing twice.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task

from dags.assets import CHALLENGER, CHAMPION
from dags.schedules import DEFAULTS, EPOCH, Stage


@task
def check_gate() -> dict:
    from trailguard_stage import run_stage

    return run_stage("check-gate")


@task(outlets=[CHAMPION])
def move_alias(gate: dict, approval: dict, dag_run_id: str) -> dict:
    from trailguard_promotion import promote

    return promote(gate, approval, dag_run_id)


@dag(
    schedule=[CHALLENGER],
    start_date=EPOCH,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=[Stage.PROMOTE],
    doc_md=__doc__,
)
def promote_model():
    gate = check_gate()
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote candidate {{ ti.xcom_pull(task_ids='check_gate')['version'] }} to champion?",
        body="{{ ti.xcom_pull(task_ids='check_gate')['report'] }}",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(days=7),
        execution_timeout=None,
    )
    gate >> approve
    move_alias(gate, approve.output, "{{ run_id }}")


promote_model()
