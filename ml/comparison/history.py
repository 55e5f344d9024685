"""A dataset's files -> a lake and labels of the comparison's own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.protocol import Protocol, moment
from ml.contracts.events import TIME, Kind
from ml.contracts.intervals import Interval
from ml.datasets.descriptor import Descriptor
from ml.ingest.ingest import publish_events, stage_events, stage_labels
from ml.ingest.lake import EventLake


@dataclass(frozen=True)
class History:
    """Everything that happened, and everything that was learned of it.

    events: the lake's folder of daily partitions. labels: LABEL_SCHEMA.
    told: the users of whom training is told what they are called; None for all.
    """

    name: str
    events: Path
    labels: pa.Table
    extras: dict[str, Kind]
    label_delay: timedelta
    end: datetime
    told: pa.Array | None = None

    def labels_before(self, when: datetime) -> pa.Table:
        """The labels observed by then."""
        return self.labels.filter(pc.less(self.labels["observed_at"], pa.scalar(when, TIME)))


def read_history(descriptor: Descriptor, protocol: Protocol, folder: Path) -> History:
    """Ingests the protocol's days into `folder`; doing it again leaves the same lake.

    Raises what `stage_events` and `stage_labels` raise.
    """
    lake = EventLake(folder)
    days = Interval(moment(protocol.history.start), moment(protocol.history.end))
    stage_events(descriptor, days, lake)
    publish_events(days, lake)
    stage_labels(descriptor, days, lake)
    return History(
        name=descriptor.name,
        events=folder / "events",
        labels=lake.staged_labels(days),
        extras=descriptor.extras,
        label_delay=timedelta(days=descriptor.label_delay_days),
        end=days.end,
    )
