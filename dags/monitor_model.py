"""Watches the champion day by day, and sees to it that something is done when it no longer does what it promised.

**Reads** the interval's flags and scores, `lake/events/`, and the labels known by its end. **Writes**
`lake/monitoring/ds=*/`, the interval's rows of `alert`, one row of `monitor_decision`, and starts a DAG run where an
answer is due, its reason in the run's configuration.

`measure_drift` compares the day with the first week after the champion's training: the model's inputs, its scores, the
labels. `watch_promise` tells whether those flagged are as often anomalous as promised, as far as their labels have
matured; looking every day does not make a false alarm more likely. The answer is the gentlest that may help, and a
stronger one where it did not: `recalibrate` (`choose_threshold`), `fine_tune` (`update_model`), `retrain`
(`train_model`). An answer is given two days to act, a new version those of its shadow as well; meanwhile nothing is
started but a stronger answer to something else.

**When it fails** flags are published all the same; nobody is watching them.

- `wait_for_flags` timed out: `score_users` has not published the interval; see its run.
- `send_alerts` failed: the webhook does not answer; the alerts are in `alert_history`.
- Clear it or backfill it: alerts are found again, a decision that was made once stands, and no answer starts twice.
"""

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task

from dags.assets import ALERTS
from dags.schedules import EVERY_DAY, Stage
from dags.scoring import START, STOP, wait_for_flags

ANSWERS = {  # action -> the DAG that does it
    "recalibrate": "choose_threshold",
    "fine_tune": "update_model",
    "retrain": "train_model",
}
CONFIGURATION = {
    "as_of": "{{ data_interval_end.strftime('%Y-%m-%d') }}",
    "reason": "{{ ti.xcom_pull(task_ids='decide_action')['reason'] }}",
}


@task
def measure_drift(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("measure-drift", start=start, end=end)


@task
def watch_promise(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("watch-promise", start=start, end=end)


@task
def decide_action(start: str, end: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("decide-action", start=start, end=end, dag_run_id=dag_run_id)


@task(outlets=[ALERTS])
def send_alerts(start: str, end: str, decided: dict, outlet_events=None) -> dict:
    from airflow.sdk.exceptions import AirflowSkipException
    from trailguard_stage import run_stage

    if not decided["alerts"]:
        raise AirflowSkipException("nothing is wrong")  # and no event says that anything is
    outlet_events[ALERTS].extra = {name: decided[name] for name in ("action", "reason", "alerts")}
    return run_stage("send-alerts", start=start, end=end)


@task.branch
def choose_answer(decided: dict) -> str | None:
    return decided["action"] if decided["action"] in ANSWERS else None


@dag(
    **EVERY_DAY | {"max_active_runs": 1},
    tags=[Stage.MONITOR],
    doc_md=__doc__,
)
def monitor_model():
    decided = decide_action(START, STOP, "{{ run_id }}")
    wait_for_flags(START, STOP) >> [measure_drift(START, STOP), watch_promise(START, STOP)] >> decided
    send_alerts(START, STOP, decided)
    choose_answer(decided) >> [
        TriggerDagRunOperator(
            task_id=action,
            trigger_dag_id=dag_id,
            trigger_run_id="monitor__{{ data_interval_start.strftime('%Y-%m-%d') }}",
            conf=CONFIGURATION,
            logical_date=None,  # with today's, a DAG that ended with its source would run, and do nothing
            skip_when_already_exists=True,
        )
        for action, dag_id in ANSWERS.items()
    ]


monitor_model()
