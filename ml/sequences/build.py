"""Events in the lake -> ragged per-user sequences on one machine, as many events at a time as a setting allows.

Partitions are sorted by user_bucket, so a range of buckets is read from all days by skipping the rest, sorted in memory
and cut at user boundaries. Nothing is ever sorted as a whole, and what days and partitions have in order is not sorted
again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.intervals import Interval
from ml.contracts.lake import BUCKETS, PART, bucket_range, pending_since
from ml.errors import ExitCode, InputAbsent, TrailguardError
from ml.sequences.moments import Keep, add_moments
from ml.sequences.sequences import Sequences

EVENTS_AT_ONCE = 1_500_000
AHEAD = 2  # chunks under way, one for each core, while the caller holds a third


class WindowInvalid(TrailguardError):
    """A window must keep at least one event, and a shard must be one of its count."""

    exit_code = ExitCode.USAGE


class PartitionOutOfOrder(TrailguardError):
    """A user's events in the lake are not in the order of time.

    Something else than ingestion wrote the partition; ingest its day again.
    """


@dataclass(frozen=True)
class Selection:
    """Which sequences, and how much of each.

    before: only events before this moment exist.
    window, keep: events kept of each user: the newest, the first, or both ends of the trail.
    users, active_in: only these users; only users with an event in the interval.
    until: user_id, until: such a user's later events are left out, as if they had stopped then.
    shard: (i, n) keeps the users whose bucket falls in the i-th of n ranges, the same users on every machine.
    Raises WindowInvalid.
    """

    before: datetime
    window: int
    keep: Keep = "newest"
    users: Sequence[str] | pa.Array | None = None
    active_in: Interval | None = None
    until: pa.Table | None = None
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.window < 1 or not 0 <= self.shard[0] < self.shard[1]:
            raise WindowInvalid(window=self.window, shard=self.shard)


def stream_sequences(events: Path, wanted: Selection, *, at_once: int = EVENTS_AT_ONCE) -> Iterator[Sequences]:
    """Yields the selected users' sequences in the order of (user_bucket, user_id), whole users only.

    events: the folder that holds the daily partitions `ds=YYYY-MM-DD/part-*.parquet`.
    at_once: events held in memory at a time, all chunks under way together; those of one bucket may be more.
    Raises InputAbsent where the folder holds no partition, or while one of them is being published, and
    PartitionOutOfOrder.
    """
    lake = scan_events(find_partitions(events, wanted.before)).filter(pl.col("event_time") < wanted.before)
    lake = _in_buckets(lake, *bucket_range(wanted.shard))
    chosen = _chosen(lake, wanted)
    if chosen is not None:
        lake = lake.join(chosen.lazy(), on="user_id", how="semi", maintain_order="left")

    def read(buckets: tuple[int, int]) -> Sequences:
        rows = _in_buckets(lake, *buckets).collect()
        # eagerly, which takes a third of the time; stable, for days and partitions are in the order of time
        return cut_sequences(_arrow(rows.sort("user_bucket", "user_id", maintain_order=True)), wanted)

    yield from _ahead(read, _ranges(lake, chunk_size(at_once)))


def chunk_size(at_once: int) -> int:
    """Events of one chunk where that many are held in memory at a time."""
    return max(1, at_once // (AHEAD + 1))


def build_sequences(events: Path, wanted: Selection) -> Sequences:
    """All that `stream_sequences` yields, at once."""
    return Sequences.concat(stream_sequences(events, wanted))


def cut_sequences(rows: pa.Table, wanted: Selection) -> Sequences:
    """Rows of whole users, in the lake's order -> their sequences; the same in every engine.

    rows: the partitions' columns, only events before `wanted.before`. Raises PartitionOutOfOrder.
    """
    rows = rows.drop_columns(["user_bucket"])
    _check_order(rows)
    if wanted.until is None:
        trails = Sequences.of(rows)
        ended = np.zeros(len(trails), bool)
    else:
        trails, ended = _stop(rows, wanted.until)
    return add_moments(trails, before=wanted.before, window=wanted.window, keep=wanted.keep, ended=ended)


def _check_order(rows: pa.Table) -> None:
    user, time = (rows[name].combine_chunks() for name in ("user_id", "event_time"))
    back = pc.and_(pc.equal(user[1:], user[:-1]), pc.less(time[1:], time[:-1]))
    if pc.any(back).as_py():
        row = pc.index(back, True).as_py() + 1
        raise PartitionOutOfOrder(event_id=rows["event_id"][row].as_py(), event_time=time[row].as_py().isoformat())


def _stop(rows: pa.Table, until: pa.Table) -> tuple[Sequences, np.ndarray]:
    """The trails as far as they go, and whether each user's goes no further on purpose, bool (users,)."""
    stopped = until["user_id"].combine_chunks()
    moments = until["until"].combine_chunks().take(pc.index_in(rows["user_id"].combine_chunks(), value_set=stopped))
    trails = Sequences.of(rows.filter(pc.fill_null(pc.less(rows["event_time"], moments), True)))
    return trails, pc.is_in(trails.user_ids, value_set=stopped).to_numpy(zero_copy_only=False)


def find_partitions(events: Path, before: datetime) -> list[Path]:
    """The files of the days up to `before`. Raises InputAbsent, also while one of the days is being published."""
    last = Interval.day(before).ds
    files = [file for file in sorted(events.glob(f"ds=*/{PART}")) if file.parent.name <= f"ds={last}"]
    pending = pending_since(events)
    if not files or (pending and pending <= before.date()):
        raise InputAbsent(events=events, before=before.isoformat(), being_published_since=pending)
    return files


def scan_events(files: list[Path]) -> pl.LazyFrame:
    """The partitions as one; an extra that only later days declare is absent before."""
    newest = pl.from_arrow(pq.read_schema(files[-1]).empty_table()).schema
    return pl.scan_parquet(
        files, schema=newest, missing_columns="insert", extra_columns="ignore", hive_partitioning=False, glob=False
    )


def _in_buckets(lake: pl.LazyFrame, first: int, end: int) -> pl.LazyFrame:
    return lake if (first, end) == (0, BUCKETS) else lake.filter(pl.col("user_bucket").is_between(first, end - 1))


def _chosen(lake: pl.LazyFrame, wanted: Selection) -> pl.DataFrame | None:
    """The users that are wanted, user_id; None where all are."""
    chosen = None
    if wanted.users is not None:
        chosen = pl.DataFrame({"user_id": pa.array(wanted.users, pa.string())}, schema={"user_id": pl.String})
    if wanted.active_in is not None:
        inside = pl.col("event_time").is_between(wanted.active_in.start, wanted.active_in.end, closed="left")
        active = lake.filter(inside).select("user_id").unique().collect()
        chosen = active if chosen is None else chosen.join(active, on="user_id", how="semi")
    return chosen


def _ranges(lake: pl.LazyFrame, at_once: int) -> Iterator[tuple[int, int]]:
    """Ranges of buckets [first, end) that hold at most at_once events each, or a single bucket; one at least."""
    counts = np.bincount(lake.select("user_bucket").collect()["user_bucket"].to_numpy(), minlength=BUCKETS)
    first, events = 0, 0
    for bucket in np.flatnonzero(counts):
        if events and events + counts[bucket] > at_once:
            yield first, int(bucket)
            first, events = int(bucket), 0
        events += counts[bucket]
    yield first, BUCKETS


def _ahead(read: Callable[[tuple[int, int]], Sequences], ranges: Iterable[tuple[int, int]]) -> Iterator[Sequences]:
    """What is read from each range, in order; the next ones are read while the caller works on one."""
    with ThreadPoolExecutor(AHEAD) as readers:
        under_way = deque()
        for buckets in ranges:
            under_way.append(readers.submit(read, buckets))
            if len(under_way) == AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _arrow(rows: pl.DataFrame) -> pa.Table:
    """With the string type that the contract has."""
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    types = [pa.string() if pa.types.is_large_string(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.column_names, types, strict=True)))
