"""The registered models of this deployment, and where their fetched bundles lie."""

from pathlib import Path
from typing import TYPE_CHECKING

from ml.contracts.model_version import ModelVersion
from ml.registry.fetched import require_sound
from ml.settings import settings

if TYPE_CHECKING:
    from ml.registry.model_registry import ModelRegistry


def production() -> "ModelRegistry":
    """Versions that acted or may act; a promotion adds to them."""
    return registry_of(settings().model_name)


def candidates() -> "ModelRegistry":
    """Versions that training registered."""
    return registry_of(settings().candidates_name)


def backbones() -> "ModelRegistry":
    """Pre-trained encoders."""
    return registry_of(settings().backbones_name)


def registry_of(name: str) -> "ModelRegistry":
    from ml.registry.model_registry import ModelRegistry

    return ModelRegistry(settings().mlflow_tracking_uri, name)


def model_version(model: str, version: str) -> ModelVersion:
    """model: the one in production where it is empty."""
    return ModelVersion(model or settings().model_name, version)


def fetched(model: ModelVersion) -> Path:
    """The bundle that was fetched earlier. Raises InputAbsent, BundleDamaged."""
    return require_sound(models_folder() / model.name / model.version)


def models_folder() -> Path:
    return settings().lake / "models"
