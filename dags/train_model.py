"""Trains a model as of a day and registers it as a candidate.

**Reads** `lake/events/` before `as_of` and the labels observed before `as_of`. **Writes** `lake/training/as_of=*/`, an
MLflow run (parameters, curves, plots, metrics beside the baseline's, the comparison, validation results) and a version
of the candidates, whose description links to the reports. Emits the asset `candidate`, which starts `promote_model`.

**When it fails** the champion stays and keeps scoring.

- `take_snapshot` refused: too few matured users, or one class only; the message says how many there are.
- `validate_sequences` failed: the snapshot breaks its expectations (a leak, an empty slice); the log lists them.
- `fit_model` refused: `architecture: winner` and no comparison as of that day; trigger it again with `compare`.
- `choose_threshold` found none: the run succeeds, its answer says how far off the nearest is and how many labels would
  prove it, and `promote_model` refuses the version until the DAG `choose_threshold` has found one.
- Anything else is retried; `pretrain_encoder` and `fit_model` go on from their newest epoch, `tune_model` from
  its newest trial. The same `as_of` and seed
  give the same metrics.

**By hand**: trigger with `as_of`; without it, the end of the data interval is taken.

- With `compare`, models are first compared on the newest users whose labels have matured (`comparison/` beside the
  snapshot; an artifact of the version later); else `compare_models` is skipped. `architecture: winner` trains the one
  that this comparison names, or that of an earlier DAG run as of the same day.
- With `pretrain`, an encoder first learns from trails without labels (`backbone/` beside the snapshot, registered as a
  model of its own), and `tuning` says which of its weights `fit_model` moves; else `pretrain_encoder` is skipped.
- With `tune_minutes`, other configurations than the default are tried for so long (`tuned.json` beside the snapshot,
  MLflow's experiment `trailguard-tuning`), and `fit_model` takes the best; else `tune_model` is skipped, and `tuned`
  may name what an earlier search found.
- With `doubt`, boosted trees that have not seen a user's label say how many labels are wrong, and whose (`doubt/`
  beside the snapshot, in `beliefs.parquet`), and `fit_model` learns from them accordingly; else `doubt_labels` is
  skipped.
- Only a network's name can be given with the last three.
"""

from airflow.sdk import Param, dag, task

from dags.learning import register_learned, validate_sequences
from dags.schedules import DEFAULTS, END, EPOCH, GPU_POOL, WEEKLY, Stage

AS_OF = "{{ params.as_of or data_interval_end.strftime('%Y-%m-%d') }}"
SEED = "{{ params.seed }}"
ARCHITECTURE = "{{ params.architecture }}"
SIZE = "{{ params.size }}"
TUNING = "{{ params.tuning }}"
BACKBONE = "{{ (ti.xcom_pull(task_ids='pretrain_encoder') or {}).get('folder', '') }}"
MINUTES = "{{ params.tune_minutes }}"
DOUBT = "{{ (ti.xcom_pull(task_ids='doubt_labels') or {}).get('folder', '') }}"
LEARNING = "training"
TUNED = "{{ (ti.xcom_pull(task_ids='tune_model') or {}).get('file') or params.tuned or '' }}"


@task
def take_snapshot(as_of: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("take-snapshot", as_of=as_of)


@task.skip_if(lambda context: not context["params"]["compare"])
@task(pool=GPU_POOL)
def compare_models(as_of: str, seed: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("compare-models", as_of=as_of, seed=seed)


@task.skip_if(lambda context: not context["params"]["doubt"])
@task(trigger_rule="none_failed")
def doubt_labels(as_of: str, seed: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("doubt-labels", as_of=as_of, seed=seed)


@task.skip_if(lambda context: not context["params"]["pretrain"])
@task(pool=GPU_POOL, trigger_rule="none_failed")
def pretrain_encoder(as_of: str, seed: str, architecture: str, size: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    model = {"architecture": architecture, "size": size}
    return run_stage("pretrain-encoder", as_of=as_of, seed=seed, **model, dag_run_id=dag_run_id)


@task.skip_if(lambda context: not context["params"]["tune_minutes"])
@task(pool=GPU_POOL, trigger_rule="none_failed")
def tune_model(as_of: str, seed: str, minutes: str, model: dict, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("tune-model", as_of=as_of, seed=seed, minutes=minutes, **model, dag_run_id=dag_run_id)


@task(pool=GPU_POOL, trigger_rule="none_failed")
def fit_model(as_of: str, seed: str, model: dict, tuned: str, doubt: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("fit-model", as_of=as_of, seed=seed, **model, tuned=tuned, doubt=doubt)


@dag(
    schedule=WEEKLY,
    start_date=EPOCH,
    end_date=END,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    params={
        "as_of": Param(None, type=["null", "string"], format="date", description="train on what was known by then"),
        "seed": Param(0, type="integer", minimum=0),
        "architecture": Param(
            "gru",
            enum=["gru", "lstm", "transformer", "fusion", "lightgbm", "blend", "winner"],
            description="the model; the winner is what the comparison as of the same day names",
        ),
        "compare": Param(False, type="boolean", description="first compare models on the newest users"),
        "size": Param(
            "default", enum=["default", "small", "medium", "large"], description="about 0.1, 1 or 10 million weights"
        ),
        "pretrain": Param(False, type="boolean", description="first learn from trails without labels"),
        "tuning": Param(
            "full", enum=["full", "lora", "frozen"], description="which weights of a pre-trained encoder move"
        ),
        "tune_minutes": Param(0, type="number", minimum=0, description="search for a better configuration for so long"),
        "doubt": Param(False, type="boolean", description="learn from labels as from ones of which some are wrong"),
        "tuned": Param(None, type=["null", "string"], description="tuned.json of an earlier search"),
    },
    tags=[Stage.TRAIN],
    doc_md=__doc__,
)
def train_model():
    model = {"architecture": ARCHITECTURE, "size": SIZE, "backbone": BACKBONE, "tuning": TUNING}
    (
        take_snapshot(AS_OF)
        >> validate_sequences(AS_OF, LEARNING)
        >> compare_models(AS_OF, SEED)
        >> doubt_labels(AS_OF, SEED)
        >> pretrain_encoder(AS_OF, SEED, ARCHITECTURE, SIZE, "{{ run_id }}")
        >> tune_model(AS_OF, SEED, MINUTES, model, "{{ run_id }}")
        >> fit_model(AS_OF, SEED, model, TUNED, DOUBT)
        >> register_learned(AS_OF, SEED, LEARNING)
    )


train_model()
