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
from ml.sequences.build import Selection

DAY = timedelta(days=1)
BUSY = Interval.day(datetime(2026, 7, 5, tzinfo=UTC))
QUIET = Interval.day(datetime(2027, 7, 5, tzinfo=UTC))  # long after the last event
MODEL = ("trailguard", "7")


@dataclass(frozen=True)
class Case:
    name: str
    wanted: Selection
    shards: int
    at_once: int

    def answer(self, folder: Path) -> Path:
        return folder / f"{self.name}.parquet"


def cases(events: Path) -> Iterator[Case]:
    """The kinds of selection that training, evaluation, scoring and explanation make."""
    some = pc.unique(pq.read_table(part(events, BUSY.start.date()), columns=["user_id"])["user_id"])[::3]
    moments = pa.array([BUSY.start - DAY * (index % 40) for index in range(len(some))], TIME)
    until = pa.table({"user_id": some, "until": moments})
    noon = BUSY.start + DAY / 2
    yield Case("everyone", Selection(BUSY.end, window=64), shards=3, at_once=1_000_000)
    yield Case("small_chunks", Selection(BUSY.end, window=64), shards=2, at_once=700)
    yield Case("stopped", Selection(BUSY.end, 20, "ends", users=some, until=until), shards=2, at_once=5_000)
    yield Case("active_shard", Selection(noon, 9, "first", active_in=BUSY, shard=(1, 3)), shards=4, at_once=5_000)
    yield Case("nobody", Selection(QUIET.end, window=64, active_in=QUIET), shards=2, at_once=5_000)
