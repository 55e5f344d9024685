"""Chooses the threshold of a registered version anew, without training.

**Reads** the version's training snapshot and bundle, and the events and labels known by `as_of`. **Writes** one row of
`threshold`, and pictures beside the version's training in MLflow (`thresholds/`).

For a changed precision floor, false positive ceiling or alert budget; for labels that have matured since; or, with
`since`, for users of late alone, where behaviour has changed. Users whom the training has not learned from decide: the
earlier third of them proposes, the others prove. Intervals that end at or after `as_of` are scored with the
threshold from then on; what is published stands until it is scored again.

**When it fails** the threshold before it stands.

- No threshold keeps the policy: the run succeeds, and its answer says how far off the nearest is and how many labels
  would prove it. A challenger is not promoted then; a champion keeps the threshold that it has.
- The snapshot was replaced by a later training as of the same day: train again.

**By hand**: trigger with `as_of`, and with what should differ from the settings.
"""

from airflow.sdk import Param, dag, task

from dags.schedules import ON_DEMAND, Stage

POLICY = ("precision_floor", "fpr_ceiling", "alert_budget", "confidence")
ASKED = {name: f"{{{{ params.{name} or '' }}}}" for name in ("as_of", "model", "version", "since", *POLICY)}
SHARE = {"type": ["null", "number"], "exclusiveMinimum": 0, "maximum": 1}


@task(task_id="choose_threshold")
def choose(asked: dict[str, str], dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("choose-threshold", **asked, dag_run_id=dag_run_id)


@dag(
    **ON_DEMAND,
    params={
        "as_of": Param(type="string", format="date", description="decide by what was known by then"),
        "model": Param(None, type=["null", "string"], description="registered model; default: the one in production"),
        "version": Param(None, type=["null", "string"], description="of that model; default: the one that acts"),
        "since": Param(None, type=["null", "string"], format="date", description="only users first seen from then on"),
        **{name: Param(None, **SHARE, description="instead of the setting of this name") for name in POLICY},
    },
    tags=[Stage.TRAIN],
    doc_md=__doc__,
)
def choose_threshold():
    choose(ASKED, "{{ run_id }}")


choose_threshold()
