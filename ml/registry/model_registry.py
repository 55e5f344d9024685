"""The registered model behind its aliases: versions in MLflow, their bundles fetched once and checked."""

import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from ml.contracts.model_version import ModelVersion
from ml.errors import ExitCode, TrailguardError
from ml.registry.fetched import require_digest

CHALLENGER = "challenger"
CHAMPION = "champion"
BUNDLE = "artifacts/bundle"  # where MLflow's pyfunc flavour keeps the artifact named `bundle`
DIGEST_TAG = "bundle_sha256"
_ABSENT = {ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE)}


class AliasPointsNowhere(TrailguardError):
    """No version of the registered model carries the alias.

    Run train_model and promote_model first; flags that are already published stand.
    """


class VersionAbsent(TrailguardError):
    """The registered model has no such version.

    MLflow's page of the model lists those that there are.
    """

    exit_code = ExitCode.USAGE


class ModelRegistry:
    """Meets MLflow's model registry for one registered model.

    Args:
        tracking_uri: address of the MLflow server.
        name: the registered model.
    """

    def __init__(self, tracking_uri: str, name: str):
        mlflow.set_tracking_uri(tracking_uri)
        self.name = name
        self.client = mlflow.MlflowClient(tracking_uri)

    def version_of(self, alias: str) -> str:
        """The version that the alias points at. Raises AliasPointsNowhere."""
        version = self.find_version(alias)
        if version is None:
            raise AliasPointsNowhere(model=self.name, alias=alias)
        return version

    def find_version(self, alias: str) -> str | None:
        """The version that the alias points at, None where there is none."""
        try:
            return str(self.client.get_model_version_by_alias(self.name, alias).version)
        except (MlflowException, RestException) as error:
            if error.error_code in _ABSENT:
                return None
            raise

    def newest_version(self) -> str:
        """Raises VersionAbsent where there is none."""
        found = self.client.search_model_versions(f"name = '{self.name}'", 1, ["version_number DESC"])
        if not found:
            raise VersionAbsent(model=self.name, version="of any number")
        return str(found[0].version)

    def require(self, version: str) -> None:
        """Raises VersionAbsent."""
        try:
            self.client.get_model_version(self.name, version)
        except (MlflowException, RestException) as error:
            if error.error_code in _ABSENT:
                raise VersionAbsent(model=self.name, version=version) from None
            raise

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.client.get_model_version(self.name, version).tags)

    def run_id(self, version: str) -> str:
        return self.client.get_model_version(self.name, version).run_id

    def adopt(self, candidate: ModelVersion) -> str:
        """The version that is a copy of the candidate, copied now unless there is one."""
        return self.find_copy(candidate) or str(
            self.client.copy_model_version(f"models:/{candidate}", self.name).version
        )

    def find_copy(self, candidate: ModelVersion) -> str | None:
        """The version that is a copy of the candidate."""
        of_it = f"name = '{self.name}' AND source_path = 'models:/{candidate}'"
        copies = self.client.search_model_versions(of_it)
        return str(copies[0].version) if copies else None

    def move_alias(self, alias: str, version: str) -> None:
        self.client.set_registered_model_alias(self.name, alias, version)

    def fetch(self, version: str, models: Path) -> Path:
        """Returns `models/<name>/<version>/`, downloaded unless it is there already. Raises BundleDamaged.

        The digest is checked at every call, so a copy that rotted on disk is refused too.
        """
        bundle = models / self.name / version
        if not bundle.is_dir():
            self._download(version, bundle)
        require_digest(bundle, self.tags(version)[DIGEST_TAG])
        return bundle

    def _download(self, version: str, bundle: Path) -> None:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bundle.parent) as scratch:
            source = f"models:/{self.name}/{version}/{BUNDLE}"
            fetched = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=scratch))
            try:
                fetched.rename(bundle)
            except OSError:  # another shard's plan fetched it first
                if not bundle.is_dir():
                    raise
