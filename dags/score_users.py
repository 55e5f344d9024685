"""Scores the users of a data interval with the champion and publishes their flags.

**Reads** `lake/events/` up to the interval's end and the version behind the alias `champion`. **Writes**
`lake/scores/ds=*/model=*/version=*/` (without a score where a trail is too short or too unlike training to judge), one
partition of `user_flag`, the interval's row of `scoring_run`, and the `cleared` rows of later intervals that follow
from it. The partition is swapped in one transaction: readers see the old flags or the new. A small share of the users
is held out: their flags are recorded and never acted on.

**When it fails** yesterday's flags stand.

- `wait_for_events` timed out: `ingest_events` has not published the day; see its run.
- `plan_shards` refused: no version carries the alias `champion`; run `train_model` and `promote_model` first.
- `plan_shards` refused: the champion has no threshold; run `choose_threshold`.
- `plan_shards` refused: the champion was registered by an earlier Trailguard; train again and promote.
- `score_shard` or `decide_flags` refused: the fetched bundle has rotted; clear `plan_shards`, which fetches another.
- `validate_scores` failed: the log lists the failed expectations; nothing was published. Where too many trails are
  unlike those of training, the events have changed, not the users: look at what came in.
- Scored the wrong model or the events were repaired: backfill with reprocessing; the same inputs leave the same rows.
"""

from airflow.sdk import dag, task

from dags.assets import FLAGS
from dags.schedules import EVERY_DAY, Stage
from dags.scoring import START, STOP, THRESHOLD, score_interval


@task(outlets=[FLAGS])
def publish_flags(threshold_id: str, start: str, end: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("publish-flags", start=start, end=end, threshold_id=threshold_id, dag_run_id=dag_run_id)


@dag(
    **EVERY_DAY,
    tags=[Stage.SCORE],
    doc_md=__doc__,
)
def score_users():
    score_interval("plan-shards") >> publish_flags(THRESHOLD, START, STOP, "{{ run_id }}")


score_users()
