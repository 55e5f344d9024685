"""Has the champion go on learning from what has become known since, and registers the outcome as a candidate.

**Reads** what the champion has learned from, `lake/events/` before `as_of` and the labels observed before it.
**Writes** `lake/update/as_of=*/`, an MLflow run and a version of the candidates, as `train_model` does. Emits the asset
`candidate`, which starts `promote_model`.

Users whom the champion knew stay in their slices, so that it is judged by users whom neither has learned from; newer
ones are dealt out by a hash, and those whom a label calls anomalous are learned from at once, before they have matured.
The network is fine-tuned on them and on a sample of those it knew; boosted trees are grown anew. What only another
featurizer could see (a new channel, other prices) takes `train_model`.

Runs every day: does nothing, all tasks skipped, unless ten anomalous users are news, or while a challenger is in the
champion's shadow, whose place it would take. Asked by the monitor or by hand, it does not wait for that one. To have no
daily updates, pause the DAG; the monitor's answers then wait until it is unpaused.

**When it fails** the champion stays and keeps scoring.

- `take_update` refused: no version carries the alias `champion`; or its snapshot was replaced by a later one as of the
  same day: run `train_model`.
- `fit_update` is retried and goes on from its newest epoch. The same `as_of`, champion and seed give the same metrics.
- The rest is as in `train_model`.

**By hand**: trigger with `as_of`, for a new kind of abuse that cannot wait.
"""

from airflow.sdk import Param, dag, task

from dags.learning import register_learned, validate_sequences
from dags.schedules import EVERY_DAY, GPU_POOL, Stage

AS_OF = "{{ params.as_of or data_interval_end.strftime('%Y-%m-%d') }}"
DUE = "{{ 'always' if params.as_of else 'idle' }}"
SEED = "{{ params.seed }}"
LEARNING = "update"


@task
def take_update(as_of: str, due: str) -> dict:
    from airflow.sdk.exceptions import AirflowSkipException
    from trailguard_stage import run_stage

    taken = run_stage("take-update", as_of=as_of, due=due)
    if taken["reason"]:
        raise AirflowSkipException(taken["reason"])
    return taken


@task(pool=GPU_POOL)
def fit_update(as_of: str, seed: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("fit-update", as_of=as_of, seed=seed)


@dag(
    **EVERY_DAY | {"max_active_runs": 1},
    params={
        "as_of": Param(None, type=["null", "string"], format="date", description="learn what was known by then"),
        "seed": Param(0, type="integer", minimum=0),
    },
    tags=[Stage.TRAIN],
    doc_md=__doc__,
)
def update_model():
    (
        take_update(AS_OF, DUE)
        >> validate_sequences(AS_OF, LEARNING)
        >> fit_update(AS_OF, SEED)
        >> register_learned(AS_OF, SEED, LEARNING)
    )


update_model()
