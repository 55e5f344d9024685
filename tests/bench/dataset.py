"""What a group measures on: the deployment's data set (TRAILGUARD_DATASET), by default the simulated marketplace."""

from datetime import timedelta
from pathlib import Path

from ml.comparison.protocol import SHIPPED, Protocol, load_protocol
from ml.datasets.descriptor import Descriptor, load_descriptor
from ml.datasets.find import find_dataset
from ml.datasets.marketplace import World, simulate
from ml.settings import settings


def open_dataset(folder: Path) -> Descriptor:
    found = find_dataset(settings().dataset)
    if found.folder is None:
        simulate(World(), folder / "raw")
        found = load_descriptor(found.name, folder / "raw")
    return found


def find_protocol(descriptor: Descriptor) -> Protocol:
    """The shipped one of the data set's name or, where there is none, its demo's days."""
    if (SHIPPED / f"{descriptor.name}.yaml").is_file():
        return load_protocol(descriptor.name)
    plan = descriptor.demo
    matured = plan.history_end - timedelta(days=descriptor.label_delay_days)
    split = {"by": "time", "train_before": plan.as_of, "test_from": plan.as_of, "test_until": matured}
    days = {"start": plan.history_start, "end": plan.history_end}
    return Protocol.model_validate({"history": days, "split": split})
