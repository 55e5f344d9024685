"""Which state folder: one for each dataset, and a link to the one that was started last."""

import os
from pathlib import Path

from ml.datasets.find import find_dataset

ROOT = Path(".trailguard")
CURRENT = ROOT / "current"
DEFAULT_DATASET = "marketplace"


def home_of(dataset: str | None) -> Path:
    """The folder of a dataset given by name, descriptor or folder; without one, the current folder.

    Raises DatasetUnknown, DescriptorInvalid.
    """
    if dataset is None:
        return CURRENT if CURRENT.exists() else ROOT / DEFAULT_DATASET
    return ROOT / find_dataset(dataset).name


def all_homes() -> list[Path]:
    return sorted(file.parent for file in ROOT.glob("*/stack.json") if not file.parent.is_symlink())


def make_current(home: Path) -> None:
    """Points .trailguard/current at a folder beside it; one elsewhere is named by --home each time."""
    if home.parent != ROOT.resolve():
        return
    unfinished = ROOT / ".current"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(home.name)
    os.replace(unfinished, CURRENT)
