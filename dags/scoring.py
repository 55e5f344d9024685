"""Tasks on the way from an interval's events to its flags, which several DAGs share."""

from datetime import timedelta

from airflow.sdk import task

WAITS = {"mode": "reschedule", "poke_interval": 60, "timeout": timedelta(hours=6).total_seconds()}
START = "{{ data_interval_start.isoformat() }}"
STOP = "{{ data_interval_end.isoformat() }}"
THRESHOLD = "{{ ti.xcom_pull(task_ids='plan_shards', key='threshold_id') }}"


@task.sensor(**WAITS)
def wait_for_events(start: str) -> bool:
    from trailguard_lake import has_events

    return has_events(start)


@task
def plan_shards(stage: str, start: str, end: str, ti=None) -> list[dict]:
    from trailguard_stage import run_stage

    plan = run_stage(stage, start=start, end=end)
    ti.xcom_push("threshold_id", plan["threshold_id"])  # only what a task returns can be mapped over
    return plan["shards"]


@task
def score_shard(shard: dict) -> dict:
    from trailguard_stage import run_stage

    return run_stage("score-shard", **shard)


@task
def validate_scores(scores: list[dict], start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    judge = {name: scores[0][name] for name in ("model", "version")}
    return run_stage("scores", module="expectations", start=start, end=end, **judge)


@task
def decide_flags(threshold_id: str, start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("decide-flags", start=start, end=end, threshold_id=threshold_id)


@task.sensor(**WAITS)
def wait_for_flags(start: str, end: str) -> bool:
    from trailguard_lake import has_flags

    return has_flags(start, end)


def score_interval(plan: str):
    """From the interval's events to decided flags. plan: the stage that says who scores. Returns the last task."""
    shards = plan_shards(plan, START, STOP)
    wait_for_events(START) >> shards
    scores = score_shard.expand(shard=shards)
    decided = decide_flags(THRESHOLD, START, STOP)
    validate_scores(scores, START, STOP) >> decided
    return decided
