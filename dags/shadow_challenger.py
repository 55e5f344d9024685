"""Scores the users of a data interval with the challenger, in the shadow of the champion.

**Reads** what `score_users` reads, and the candidate behind the alias `challenger`. **Writes** the challenger's scores
and flags in `lake/scores/`, and the interval's `shadow` rows of `user_flag`: users whom the challenger would flag and
the champion scored below its threshold. Nobody acts on them.

Does nothing, all tasks skipped, unless the day is one of the challenger's first `TRAILGUARD_SHADOW_DAYS` after its
training. When they are over, `promote_model` reports where the two agreed, and asks a person.

**When it fails** the champion's flags stand, and `promote_model` waits for the day.

- `wait_for_flags` timed out: `score_users` has not published the interval; see its run.
- `validate_scores` failed: the log lists the failed expectations; the challenger does not score these users properly.
- Clear it or backfill it with reprocessing: in any order with `score_users`, also at once, the same rows come out.
"""

from airflow.sdk import dag, task

from dags.schedules import EVERY_DAY, Stage
from dags.scoring import START, STOP, THRESHOLD, score_interval, wait_for_flags


@task
def publish_shadow(threshold_id: str, start: str, end: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("publish-shadow", start=start, end=end, threshold_id=threshold_id, dag_run_id=dag_run_id)


@dag(
    **EVERY_DAY,
    tags=[Stage.SCORE],
    doc_md=__doc__,
)
def shadow_challenger():
    (
        score_interval("plan-challenger")
        >> wait_for_flags(START, STOP)
        >> publish_shadow(THRESHOLD, START, STOP, "{{ run_id }}")
    )


shadow_challenger()
