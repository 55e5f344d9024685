"""What both engines are asked for, and what Spark answered, by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.events import TIME
from ml.contracts.intervals import Interval
from ml.contracts.lake import part
from ml.contracts.model_version import ModelVersion
from ml.sequences.build import Selection

DAY = timedelta(days=1)
BUSY = Interval.day(datetime(2026, 7, 5, tzinfo=UTC))
QUIET = Interval.day(datetime(2027, 7, 5, tzinfo=UTC))  # long after the last event
MODEL = ModelVersion("trailguard", "7")


@dataclass(frozen=True)
class Case:
    name: str
    events: Path
    wanted: Selection
    shards: int
    at_once: int

    def answer(self, folder: Path) -> Path:
        return folder / f"{self.name}.parquet"


def cases(lake: Path) -> Iterator[Case]:
    """The kinds of selection that training, evaluation, scoring and explanation make."""
    events, noon = lake / "events", BUSY.start + DAY / 2
    some = pc.unique(pq.read_table(part(events, BUSY.start.date()), columns=["user_id"])["user_id"])[::3]
    moments = pa.array([BUSY.start - DAY * (index % 40) for index in range(len(some))], TIME)
    until = pa.table({"user_id": some, "until": moments})
    yield Case("everyone", events, Selection(BUSY.end, 64), shards=3, at_once=1_000_000)
    yield Case("small_chunks", events, Selection(BUSY.end, 64), shards=2, at_once=700)
    yield Case("stopped", events, Selection(BUSY.end, 20, "ends", users=some, until=until), shards=2, at_once=5_000)
    active = Selection(noon, 9, "first", active_in=BUSY, shard=(1, 3))
    yield Case("active", events, active, shards=4, at_once=5_000)
    yield Case("nobody", events, Selection(QUIET.end, 64, active_in=QUIET), shards=2, at_once=5_000)
    yield Case("late_column", lake / "late" / "events", Selection(QUIET.end, 64), shards=2, at_once=5_000)
