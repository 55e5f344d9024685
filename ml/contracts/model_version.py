"""Which version of which registered model: candidates and production count their versions apart."""

from typing import NamedTuple

NOBODY = "nobody"  # in the place of a version, where no version acts


class ModelVersion(NamedTuple):
    """name: of the registered model. version: MLflow's number, as text."""

    name: str
    version: str

    @property
    def facts(self) -> dict[str, str]:
        """As stages take it and tell it."""
        return {"model": self.name, "version": self.version}

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"
