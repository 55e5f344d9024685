"""Scores the users of a data interval with the champion and publishes their flags.

**Reads** `lake/events/` up to the interval's end and the version behind the alias `champion`. **Writes**
`lake/scores/ds=*/model=*/version=*/` (without a score where a trail is too short or too unlike training to judge), one
partition of `user_flag`, the interval's row of `scoring_run`, and the `cleared` rows of later intervals that follow
from it. The partition is swapped in one transaction: readers see the old flags or the new.

**When it fails** yesterday's flags stand.

- `wait_for_events` timed out: `ingest_events` has not published the day; see its run.
- `plan_shards` refused: no version carries the alias `champion`; run `train_model` and `promote_model` first.
- `plan_shards` refused: the champion has no threshold; run `choose_threshold`.
- `plan_shards` refused: the champion was registered by an earlier Trailguard; train again and promote.
- `validate_scores` failed: the log lists the failed expectations; nothing was published. Where too many trails are
  unlike those of training, the events have changed, not the users: look at what came in.
- Scored the wrong model or the events were repaired: backfill with reprocessing; the same inputs leave the same rows.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from dags.assets import FLAGS
from dags.schedules import DAILY, DEFAULTS, END, EPOCH, Stage

START = "{{ data_interval_start.isoformat() }}"
STOP = "{{ data_interval_end.isoformat() }}"
THRESHOLD = "{{ ti.xcom_pull(task_ids='plan_shards', key='threshold_id') }}"


@task.sensor(mode="reschedule", poke_interval=60, timeout=timedelta(hours=6).total_seconds())
def wait_for_events(start: str) -> bool:
    from trailguard_lake import has_events

    return has_events(start)


@task
def plan_shards(start: str, end: str, ti=None) -> list[dict]:
    from trailguard_stage import run_stage

    plan = run_stage("plan-shards", start=start, end=end)
    ti.xcom_push("threshold_id", plan["threshold_id"])  # only what a task returns can be mapped over
    return plan["shards"]


@task
def score_shard(shard: dict) -> dict:
    from trailguard_stage import run_stage

    return run_stage("score-shard", **shard)


@task
def validate_scores(scores: list[dict], start: str, end: str) -> str:
    from trailguard_stage import run_stage

    judge = {name: scores[0][name] for name in ("model", "version")}
    return run_stage("scores", module="expectations", start=start, end=end, **judge)["version"]


@task
def decide_flags(threshold_id: str, start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("decide-flags", start=start, end=end, threshold_id=threshold_id)


@task(outlets=[FLAGS])
def publish_flags(threshold_id: str, start: str, end: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("publish-flags", start=start, end=end, threshold_id=threshold_id, dag_run_id=dag_run_id)


@dag(
    schedule=DAILY,
    start_date=EPOCH,
    end_date=END,
    catchup=False,
    max_active_runs=4,
    default_args=DEFAULTS,
    tags=[Stage.SCORE],
    doc_md=__doc__,
)
def score_users():
    shards = plan_shards(START, STOP)
    wait_for_events(START) >> shards
    scores = score_shard.expand(shard=shards)
    (
        validate_scores(scores, START, STOP)
        >> decide_flags(THRESHOLD, START, STOP)
        >> publish_flags(THRESHOLD, START, STOP, "{{ run_id }}")
    )


score_users()
