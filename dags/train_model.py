"""Trains a model as of a day and registers it as challenger.

**Reads** `lake/events/` before `as_of` and the labels observed before `as_of`. **Writes** `lake/training/as_of=*/`, an
MLflow run (parameters, curves, plots, metrics beside the baseline's, validation results) and a version with the alias
`challenger`. Emits the asset `challenger`, which starts `promote_model`.

**When it fails** the champion stays and keeps scoring.

- `take_snapshot` refused: too few matured users, or one class only; the message says how many there are.
- `validate_sequences` failed: the snapshot breaks its expectations (a leak, an empty slice); the log lists them.
- `choose_threshold` refused: no threshold reaches the precision floor within the alert budget; more labels, a lower
  floor or a larger budget are needed (`TRAILGUARD_PRECISION_FLOOR`, `TRAILGUARD_ALERT_BUDGET`).
- Anything else is retried; `fit_model` goes on from its newest epoch. The same `as_of` and seed give the same metrics.

**By hand**: trigger with `as_of`; without it, the end of the data interval is taken.
"""

from airflow.sdk import Param, dag, task

from dags.assets import CHALLENGER
from dags.schedules import DEFAULTS, END, EPOCH, GPU_POOL, WEEKLY, Stage

AS_OF = "{{ params.as_of or data_interval_end.strftime('%Y-%m-%d') }}"
SEED = "{{ params.seed }}"
ARCHITECTURE = "{{ params.architecture }}"


@task
def take_snapshot(as_of: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("take-snapshot", as_of=as_of)


@task
def validate_sequences(as_of: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("sequences", module="expectations", as_of=as_of)


@task(pool=GPU_POOL)
def fit_model(as_of: str, seed: str, architecture: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("fit-model", as_of=as_of, seed=seed, architecture=architecture)


@task
def calibrate_scores(as_of: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("calibrate-scores", as_of=as_of)


@task
def choose_threshold(as_of: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("choose-threshold", as_of=as_of)


@task
def evaluate_model(as_of: str, seed: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("evaluate-model", as_of=as_of, seed=seed)


@task(outlets=[CHALLENGER])
def register_challenger(as_of: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("register-challenger", as_of=as_of, dag_run_id=dag_run_id)


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
            "gru", enum=["gru", "lstm", "transformer", "fusion"], description="how the model looks at steps, and back"
        ),
    },
    tags=[Stage.TRAIN],
    doc_md=__doc__,
)
def train_model():
    (
        take_snapshot(AS_OF)
        >> validate_sequences(AS_OF)
        >> fit_model(AS_OF, SEED, ARCHITECTURE)
        >> calibrate_scores(AS_OF)
        >> choose_threshold(AS_OF)
        >> evaluate_model(AS_OF, SEED)
        >> register_challenger(AS_OF, "{{ run_id }}")
    )


train_model()
