"""Asks a person whether a candidate becomes the champion.

**Reads** the candidate, the version in production behind `champion` and the candidate's frozen test slice. **Writes**
the alias `challenger`, a version of the model in production, which is a copy of the candidate, the threshold that it
takes along, the alias `champion` and one row of `promotion_ledger`.

Starts when `train_model` or `update_model` registers a candidate, or by hand. `check_gate` measures both on the same
test slice; a candidate that fails the gate is never offered, and takes nobody's place. One that passes becomes the
challenger, in the place of an earlier one. `wait_for_shadow` waits until `shadow_challenger` has scored it beside the
champion for `TRAILGUARD_SHADOW_DAYS`, and `report_agreement` tells where the two agreed; without a champion both have
nothing to do. `approve` waits for an answer in *Required Actions* (default: reject after seven days).

**When it fails** the champion stays.

- `check_gate` refused: the log and the task's return value name each gate with its figure.
- `wait_for_shadow` was skipped, and all after it: a newer challenger took its place, which has a run of its own.
- `wait_for_shadow` timed out: some day was not scored by `shadow_challenger`; the log names it. Backfill it, and clear
  this task.
- `approve` was rejected or timed out: `move_alias` is skipped; nothing changed.
- `move_alias` refused: this DAG run has moved the alias before, and others have moved it since; trigger a new one. Or
  another champion acts by now than the one that the gate compared it with; clear `check_gate`, and what follows.
- `move_alias` failed half-way: clear it; a candidate is copied once, and moving an alias to where it points writes
  nothing twice.

**By hand**: trigger with the `version` of a candidate; without it, the newest one is taken.
"""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag, task

from dags.assets import CANDIDATE, CHAMPION
from dags.schedules import DEFAULTS, EPOCH, SHADOW_LOOK_SECONDS, Stage


@task
def check_gate(*, params=None, triggering_asset_events=None) -> dict:
    from trailguard_promotion import check

    return check(params["version"], triggering_asset_events)


@task.sensor(mode="reschedule", poke_interval=SHADOW_LOOK_SECONDS, timeout=timedelta(days=14).total_seconds())
def wait_for_shadow(gate: dict) -> bool:
    from trailguard_promotion import is_shadow_over

    return is_shadow_over(gate)


@task
def report_agreement(gate: dict) -> dict:
    from trailguard_stage import run_stage

    return run_stage("report-agreement", version=gate["version"])


@task(outlets=[CHAMPION])
def move_alias(gate: dict, approval: dict, dag_run_id: str) -> dict:
    from trailguard_promotion import promote

    return promote(gate, approval, dag_run_id)


@dag(
    schedule=[CANDIDATE],
    start_date=EPOCH,
    catchup=False,
    max_active_runs=8,  # a candidate does not wait for the days of another's shadow, nor for its answer
    default_args=DEFAULTS,
    params={
        "version": Param(None, type=["null", "string"], description="of the candidates; default: the newest one"),
    },
    tags=[Stage.PROMOTE],
    doc_md=__doc__,
)
def promote_model():
    gate = check_gate()
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote candidate {{ ti.xcom_pull(task_ids='check_gate')['version'] }} to champion?",
        body="{{ ti.xcom_pull(task_ids='check_gate')['report'] }}\n\n"
        "{{ ti.xcom_pull(task_ids='report_agreement')['report'] }}",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(days=7),
        execution_timeout=None,
    )
    wait_for_shadow(gate) >> report_agreement(gate) >> approve
    move_alias(gate, approve.output, "{{ run_id }}")


promote_model()
