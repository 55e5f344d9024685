"""What trainings and updates left behind in the lake: their snapshots, bundles and reports."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.contracts.intervals import parse_time
from ml.settings import settings

if TYPE_CHECKING:
    from ml.training.snapshot import Snapshot


class Learning(StrEnum):
    """How a model came to be; the folder of the lake that holds it, and the version's tag `learning`."""

    TRAINING = "training"  # from scratch
    UPDATE = "update"  # from the champion on


HowLearned = Annotated[Learning, typer.Option("--learning", help="From scratch, or from the champion on.")]


def learned_folder(as_of: str, learning: Learning = Learning.TRAINING) -> Path:
    """Of the snapshot taken as of that day and what was made of it."""
    return settings().lake / learning / f"as_of={parse_time(as_of).date().isoformat()}"


def bundle_of(as_of: str, learning: Learning = Learning.TRAINING) -> Path:
    return learned_folder(as_of, learning) / "bundle"


def report_of(as_of: str, learning: Learning = Learning.TRAINING) -> Path:
    return learned_folder(as_of, learning) / "report"


def comparison_folder(as_of: str, learning: Learning = Learning.TRAINING) -> Path:
    """Of what compare-models found as of that day; no update has one."""
    return learned_folder(as_of, learning) / "comparison"


def freeze_snapshot(as_of: str, learning: Learning, predecessor: "Snapshot | None" = None) -> "Snapshot":
    """Takes the one of that day, in `learned_folder`. predecessor: see make_snapshot. Raises as it does."""
    from datetime import timedelta

    from ml.commands.ingest import descriptor
    from ml.ingest.label_store import LabelStore
    from ml.training.snapshot import make_snapshot

    chosen, found, moment = settings(), descriptor(), parse_time(as_of)
    return make_snapshot(
        chosen.lake / "events",
        LabelStore(chosen.database_url).known_at(moment),
        as_of=moment,
        label_delay=timedelta(days=found.label_delay_days),
        window=chosen.window,
        extras=found.extras,
        out=learned_folder(as_of, learning),
        predecessor=predecessor,
    )


def load_snapshot(as_of: str, learning: Learning = Learning.TRAINING) -> "Snapshot":
    """The one taken as of that day. Raises InputAbsent."""
    from ml.training.snapshot import Snapshot

    return Snapshot.load(learned_folder(as_of, learning))


def load_learned_from(tags: dict[str, str]) -> "Snapshot":
    """The snapshot that a registered version has learned from.

    tags: the version's. Raises InputAbsent, SnapshotReplaced.
    """
    snapshot = load_snapshot(tags["as_of"], Learning(tags.get("learning", Learning.TRAINING)))
    snapshot.require(tags["snapshot_fingerprint"])
    return snapshot
