"""A state folder whose stack lets faults in."""

from pathlib import Path

from infra.local.demo import travel
from infra.local.journey import Journey, log_in
from infra.local.settings import Settings
from infra.local.site import PROJECT
from infra.local.stack import Stack
from ml.datasets.find import find_dataset
from tests.fault.shop import Shop
from tests.small_shop import open_shop

INSIDE = Path(__file__).parent / "inside"
PACKAGES = ("dags", "expectations", "infra", "ml", "plugins")
# What a deployment may set: within seconds, not minutes, Airflow finds out that one of its own has died, and whoever
# asks MLflow that it is away.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def prepare_home(home: Path) -> None:
    """A stack that is started in it lets faults in: its processes read `inside/` before anything else."""
    code = home / "code"
    code.mkdir(parents=True, exist_ok=True)
    for path in [*INSIDE.glob("*.py"), *(PROJECT / name for name in PACKAGES)]:
        link = code / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    known = Settings.load(home)
    known.variables |= IMPATIENT | {"PYTHONPATH": str(code.resolve())}
    known.save(home)


def open_faulty_shop(folder: Path) -> Shop:
    """A small shop after its journey, on a stack below the folder; what an earlier call left is gone on from."""
    raw, home = folder / "shop", folder / "home"
    if not raw.exists():
        open_shop(raw)
    prepare_home(home)
    journey = travel(str(raw), home, approve=True, secure=True)
    return Shop(journey, log_in(journey))


def reopen(folder: Path) -> Shop:
    """The shop that an earlier call opened."""
    journey = Journey(find_dataset(str(folder / "shop")), Stack(folder / "home"))
    prepare_home(folder / "home")
    journey.stack.up()
    return Shop(journey, log_in(journey))
