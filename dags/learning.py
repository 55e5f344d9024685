"""Tasks of the DAGs that make a candidate. learning: `training` or `update`, how it came to be."""

from airflow.sdk import chain, task

from dags.assets import CANDIDATE

REGISTERED = {name: f"{{{{ ti.xcom_pull(task_ids='register_candidate')['{name}'] }}}}" for name in ("model", "version")}


@task
def validate_sequences(as_of: str, learning: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("sequences", module="expectations", as_of=as_of, learning=learning)


@task
def calibrate_scores(as_of: str, learning: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("calibrate-scores", as_of=as_of, learning=learning)


@task
def evaluate_model(as_of: str, seed: str, learning: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("evaluate-model", as_of=as_of, seed=seed, learning=learning)


@task
def register_candidate(as_of: str, learning: str, dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("register-candidate", as_of=as_of, learning=learning, dag_run_id=dag_run_id)


@task(outlets=[CANDIDATE])
def choose_threshold(as_of: str, registered: dict[str, str], dag_run_id: str, *, outlet_events=None) -> dict:
    from trailguard_stage import run_stage

    outlet_events[CANDIDATE].extra = registered
    return run_stage("choose-threshold", as_of=as_of, **registered, dag_run_id=dag_run_id)


def register_learned(as_of: str, seed: str, learning: str):
    """From a fitted model to a candidate with a threshold. Returns the first task, to be put behind the fitting."""
    calibrated = calibrate_scores(as_of, learning)
    chain(
        calibrated,
        evaluate_model(as_of, seed, learning),
        register_candidate(as_of, learning, "{{ run_id }}"),
        choose_threshold(as_of, REGISTERED, "{{ run_id }}"),
    )
    return calibrated
