"""Everything a training left behind becomes one MLflow run and one version of the registered model."""

import json
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

import mlflow
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.models.model import ModelInfo

from ml.models.bundle import TREES
from ml.registry.digest import folder_digest
from ml.registry.model_input import signature_of, to_example
from ml.registry.model_registry import DIGEST_TAG, ModelRegistry
from ml.registry.reports import describe_version, log_reports
from ml.sequences.sequences import Sequences

CODE = Path(__file__).resolve().parents[1]  # the ml package
MODEL_FILE = Path(__file__).with_name("pyfunc_model.py")
SCORING_NEEDS = ("mlflow", "numpy", "pandas", "pyarrow", "onnxruntime", "scikit-learn", "pydantic")
EXPERIMENT = "trailguard"
_MADE = {"training": "trained", "update": "updated"}
MOST_METRICS = 1000  # that MLflow takes at once


@dataclass(frozen=True)
class Training:
    """What a training left behind.

    as_of, fingerprint: of the snapshot. learning: `training` or `update`. snapshot: its folder. bundle: the model's
    folder. report: curves and plots.
    comparison: what compare-models wrote, if it ran.
    validations: result files of Great Expectations for the batches it used. example: a few users' sequences.
    """

    as_of: str
    learning: str
    fingerprint: str
    snapshot: Path
    bundle: Path
    report: Path
    comparison: Path
    validations: list[Path]
    example: Sequences


def register(registry: ModelRegistry, training: Training, *, dag_run_id: str) -> str:
    """Logs the training, registers its bundle and returns the version.

    An attempt that died with the version made is finished by the next one, which makes no second.
    """
    mlflow.set_experiment(EXPERIMENT)
    digest = folder_digest(training.bundle)
    begun = _find_begun(registry, dag_run_id, digest)
    with mlflow.start_run(begun and begun.run_id, run_name=f"{registry.name} as of {training.as_of}") as run:
        if begun is None:
            _log_training(training, dag_run_id=dag_run_id, digest=digest)
        reports = log_reports(training.report, training.comparison)
        version = str(begun.version if begun else _log_model(registry.name, training).registered_model_version)
    tags = {
        DIGEST_TAG: digest,
        "as_of": training.as_of,
        "learning": training.learning,
        "snapshot_fingerprint": training.fingerprint,
        **{tag: f"{run.info.artifact_uri}/{path}" for tag, path in reports.items()},
    }
    for name, value in tags.items():
        registry.client.set_model_version_tag(registry.name, version, name, value)
    architecture = _read(training.bundle / "training.json")["config"]["architecture"]
    heading = f"{architecture}, {_MADE[training.learning]} as of {training.as_of}"
    told = describe_version(heading, run.info, reports, training.comparison)
    registry.client.update_model_version(registry.name, version, told)
    return version


def _find_begun(registry: ModelRegistry, dag_run_id: str, digest: str) -> ModelVersion | None:
    """The version that an earlier attempt of the DAG run has made of the same bundle."""
    of_it = f"tags.dag_run_id = '{dag_run_id}' AND tags.{DIGEST_TAG} = '{digest}'"
    for run in mlflow.search_runs(experiment_names=[EXPERIMENT], filter_string=of_it, output_format="list"):
        of_run = f"name = '{registry.name}' AND run_id = '{run.info.run_id}'"
        if found := registry.client.search_model_versions(of_run):
            return found[0]
    return None


def _log_training(training: Training, *, dag_run_id: str, digest: str) -> None:
    tags = {"dag_run_id": dag_run_id, "as_of": training.as_of, DIGEST_TAG: digest}
    mlflow.set_tags(tags | {"code_sha256": folder_digest(CODE, "*.py")})
    _log_dataset(training)
    _log_outcome(training)


def _log_dataset(training: Training) -> None:
    source = LocalArtifactDatasetSource(training.snapshot.as_uri())
    mlflow.log_input(MetaDataset(source, name="snapshot", digest=training.fingerprint[:36]), context="training")


def _log_outcome(training: Training) -> None:
    """Parameters, curves, metrics with their intervals and what was validated."""
    facts = _read(training.bundle / "training.json")
    mlflow.log_params(facts.pop("config") | facts)
    log_curves(training.bundle / "curves.json")
    mlflow.log_metrics(flat_metrics(_read(training.bundle / "metrics.json")))
    mlflow.log_metrics(_read(training.report / "probabilities.json"))
    for result in training.validations:
        mlflow.log_artifact(str(result), f"validations/{result.parent.name}")


def log_curves(path: Path) -> None:
    """Of the file that holds what Curves.to_dict gives. Many at once: boosted trees have hundreds of rounds."""
    curves, run = _read(path), mlflow.active_run().info
    points = [
        Metric(name, value, run.start_time, epoch)
        for name in ("loss", "validation_loss")
        for epoch, value in enumerate(curves[name], start=1)
    ]
    for begin in range(0, len(points), MOST_METRICS):
        mlflow.MlflowClient().log_batch(run.run_id, metrics=points[begin : begin + MOST_METRICS])


def _read(path: Path) -> dict:
    return json.loads(path.read_text())


def flat_metrics(metrics: dict) -> dict[str, float]:
    """model -> prefix -> metric -> {value, low, high} as names that MLflow takes, such as gru/10/roc_auc_low."""
    return {
        f"{model}/{prefix}/{name}" + ("" if bound == "value" else f"_{bound}"): number
        for model, prefixes in metrics.items()
        for prefix, found in prefixes.items()
        for name, interval in found.items()
        for bound, number in interval.items()
    }


def _log_model(name: str, training: Training) -> ModelInfo:
    return mlflow.pyfunc.log_model(
        name="model",
        python_model=str(MODEL_FILE),
        artifacts={"bundle": str(training.bundle)},
        code_paths=[str(CODE)],
        signature=signature_of(training.example),
        input_example=to_example(training.example),
        pip_requirements=[f"{package}=={installed(package)}" for package in scoring_needs(training.bundle)],
        registered_model_name=name,
    )


def scoring_needs(bundle: Path) -> list[str]:
    """The packages that scoring with this bundle imports."""
    return [*SCORING_NEEDS, *(["lightgbm"] if (bundle / TREES).is_file() else [])]
