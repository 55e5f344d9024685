"""The lake's event partitions: the event contract's columns, and beside them what every reader would derive again.

    user_bucket  int32, 0 to BUCKETS - 1: a hash of user_id. Partitions are sorted by (user_bucket, user_id, event_time,
                 event_id), so that a reader of a range of buckets skips most of each file.
    item_events  int64, events on this item by anyone in the POPULAR_DAYS whole UTC days before the event's own day,
                 absent where the event has no item
    item_users   int64, the same, counting each user once a day
    item_other_time  when another user last acted on this item: the newest event_time of a different user's event on it
                 that stands before this event in the order (event_time, event_id); absent where the event has no item
                 or nobody else acted on it since the start of the day POPULAR_DAYS whole days before the event's own

Item popularity is day-granular because that needs one row for each item and day instead of a sorted scan of all events
around each event. item_other_time is exact: a row for each item and day, and one sort of the event's own day.
"""

import zlib
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.contracts.events import TIME

PART = "part-0.parquet"
PENDING = ".pending"  # a folder of markers, FIRST_LAST: days that a publisher is writing, or was when it died
BUCKETS = 2**16
POPULAR_DAYS = 30
ORDER = ("user_bucket", "user_id", "event_time", "event_id")
DERIVED = (
    pa.field("user_bucket", pa.int32(), nullable=False),
    pa.field("item_events", pa.int64()),
    pa.field("item_users", pa.int64()),
    pa.field("item_other_time", TIME),
)


def lake_schema(events: pa.Schema) -> pa.Schema:
    """events: the contract's columns and the declared extras; the derived columns follow them."""
    return pa.schema([*events, *DERIVED])


def part(folder: Path, day: date) -> Path:
    """Where the day's partition lies."""
    return folder / f"ds={day}" / PART


def pending_since(events: Path) -> date | None:
    """The first day whose partition may not be right, because it is being published or because its publisher died."""
    first = min((path.name.split("_")[0] for path in (events / PENDING).glob("*_*")), default=None)
    return first and date.fromisoformat(first)


def buckets_of(user_ids: list[str]) -> np.ndarray:
    """int32 (users,): the upper half of each id's CRC-32, the same on every machine and in every engine."""
    return np.fromiter((zlib.crc32(user.encode()) >> 16 for user in user_ids), np.int32, len(user_ids))


def bucket_range(shard: tuple[int, int]) -> tuple[int, int]:
    """The buckets [first, end) of the i-th of n shards."""
    index, of = shard
    return BUCKETS * index // of, BUCKETS * (index + 1) // of
