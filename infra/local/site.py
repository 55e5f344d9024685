"""Where a deployment's parts are, as its own services see them: here on loopback, or in Compose's network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.ports import LOOPBACK

PROJECT = Path(__file__).resolve().parents[2]
SERVERS = ("postgres", "mlflow", "airflow")


@dataclass(frozen=True)
class Site:
    """Addresses are host:port, without a scheme."""

    project: str  # the repository's root: dags/, plugins/, ml/
    home: str  # the state folder
    bind: str  # the interface that servers listen on
    postgres: str
    mlflow: str
    airflow: str
    airflow_in_browser: str
    secure: bool  # whether MLflow asks everybody who they are

    @property
    def lake(self) -> str:
        return f"{self.home}/lake"


def embedded(home: Path, ports: Mapping[str, int], *, secure: bool) -> Site:
    """The stack on this machine; every server on loopback."""
    addresses = {name: f"{LOOPBACK}:{port}" for name, port in ports.items()}
    return Site(
        project=str(PROJECT),
        home=str(home),
        bind=LOOPBACK,
        airflow_in_browser=addresses["airflow"],
        secure=secure,
        **addresses,
    )


COMPOSE = Site(
    project="/opt/trailguard",
    home="/var/lib/trailguard",
    bind="0.0.0.0",  # noqa: S104 (inside a container; Compose publishes on the host's loopback only)
    postgres="postgres:5432",
    mlflow="mlflow:5000",
    airflow="api-server:8080",
    airflow_in_browser=f"{LOOPBACK}:8080",
    secure=True,
)
