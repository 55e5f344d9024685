"""A pre-trained backbone as a version of a registered model of its own."""

import json
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from ml.registry.digest import folder_digest
from ml.registry.model_registry import BUNDLE, DIGEST_TAG, ModelRegistry
from ml.registry.register import EXPERIMENT, log_curves


def register_backbone(registry: ModelRegistry, folder: Path, *, dag_run_id: str) -> str:
    """Logs the pre-training to MLflow, registers its folder and returns the version.

    registry: of the backbones. folder: as ml.pretraining.make leaves it. `registry.fetch` gives it back, its digest
    checked.
    """
    facts = json.loads((folder / "pretraining.json").read_text())
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name=f"{registry.name} as of {facts['as_of']}") as run:
        mlflow.set_tags({"dag_run_id": dag_run_id, "as_of": facts["as_of"]})
        mlflow.log_params(facts.pop("config") | {f"users_{name}": n for name, n in facts.pop("users").items()} | facts)
        log_curves(folder / "curves.json")
        mlflow.log_artifacts(str(folder), f"backbone/{BUNDLE}")
    _create(registry)
    tags = {DIGEST_TAG: folder_digest(folder), "as_of": facts["as_of"], "snapshot_fingerprint": facts["fingerprint"]}
    source = f"{run.info.artifact_uri}/backbone"
    return str(registry.client.create_model_version(registry.name, source, run.info.run_id, tags).version)


def _create(registry: ModelRegistry) -> None:
    try:
        registry.client.create_registered_model(registry.name)
    except (MlflowException, RestException) as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
