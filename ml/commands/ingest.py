"""Stages that bring events and labels in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.privacy import load_guard
from ml.commands.stage import End, Start, new_app, stage
from ml.contracts.intervals import Interval
from ml.settings import settings

if TYPE_CHECKING:
    from ml.datasets.descriptor import Descriptor
    from ml.ingest.accounting import Staged

app = new_app()


@stage(app)
def simulate_marketplace(
    out: Annotated[Path, typer.Option(help="Folder for the raw files.")],
    shoppers: Annotated[int | None, typer.Option(min=100, help="How many; default: the demo's.")] = None,
    days: Annotated[int | None, typer.Option(min=7, help="How many days; default: the demo's.")] = None,
    stealth: Annotated[float | None, typer.Option(min=0, max=1, help="How hard attackers try to look normal.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another world; default: the demo's.")] = None,
    family: Annotated[list[str] | None, typer.Option(help="An abusing family, once for each; default: all.")] = None,
) -> dict:
    """Write a simulated marketplace's raw event and label files."""
    from dataclasses import asdict

    from ml.datasets.marketplace import World, simulate

    chosen = {"shoppers": shoppers, "days": days, "stealth": stealth, "seed": seed}
    chosen["families"] = tuple(family) if family else None
    world = World(**{name: value for name, value in chosen.items() if value is not None})
    return asdict(simulate(world, out))


@stage(app)
def read_events(start: Start, end: End) -> dict:
    """Read, check and de-duplicate an interval's raw events into the staging area."""
    from ml.ingest.ingest import stage_events

    return _counts(stage_events(descriptor(), Interval.parse(start, end), _lake(), load_guard()))


@stage(app)
def publish_events(start: Start, end: End) -> dict:
    """Make an interval's staged and validated events visible."""
    staged = _lake().publish("events", Interval.parse(start, end))
    _record("events", staged)
    return _counts(staged)


@stage(app)
def read_labels(start: Start, end: End) -> dict:
    """Read, check and de-duplicate the labels that became known in an interval into the staging area."""
    from ml.ingest.ingest import stage_labels

    return _counts(stage_labels(descriptor(), Interval.parse(start, end), _lake(), load_guard()))


@stage(app)
def publish_labels(start: Start, end: End) -> dict:
    """Add an interval's staged and validated labels to the label table."""
    from ml.ingest.label_store import LabelStore

    interval, lake = Interval.parse(start, end), _lake()
    added = LabelStore(settings().database_url).append(lake.staged_labels(interval))
    staged = lake.publish("labels", interval)
    _record("labels", staged)
    return _counts(staged) | {"added": added}


def _lake():
    from ml.ingest.lake import EventLake

    return EventLake(settings().lake)


def descriptor() -> "Descriptor":
    """The deployment's dataset; a simulated one's files lie in `raw/` of its home."""
    from ml.datasets.descriptor import load_descriptor
    from ml.datasets.find import find_dataset

    found = find_dataset(settings().dataset)
    return found if found.folder else load_descriptor(found.name, settings().home / "raw")


def _record(kind: str, staged: "Staged") -> None:
    from ml.ingest.label_store import LabelStore

    LabelStore(settings().database_url).record_partitions(kind, staged.days)


def _counts(staged: "Staged") -> dict:
    total = staged.total
    return {
        "rows_read": staged.rows_read,
        "outside": staged.outside,
        "rows_in": total.rows_in,
        "accepted": total.accepted,
        "duplicate": total.duplicate,
        "quarantined": total.quarantined,
        "reasons": total.reasons,
        "days": len(staged.days),
    }
