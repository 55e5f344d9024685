"""Events in the lake -> ragged per-user sequences, by DuckDB, with every column known at the moment of its event.

The point-in-time columns are computed over the whole history before the window cuts it:

    ordinal              int64, 1 for the user's first event ever
    first_event_time     when the user was first seen
    previous_event_time  of the same user, absent at their first event
    same_item, same_type whether the user's previous event had this item, this type
    item_visit           int64, 1 where the user meets this item for the first time
    item_events          events on this item by anyone in the 30 whole UTC days before the event's own day
    item_users           the same, counting each user once a day
    closes_day           whether the user does nothing more on the event's UTC day: known when that day is over, which
                         is when a daily run scores it, but not at the event itself
    remaining            int64, the user's later events; bookkeeping for views, never a model's input

Item popularity is day-granular because that needs one row for each item and day instead of a sorted scan of all events
around each event.
"""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from ml.contracts.events import TIME
from ml.contracts.intervals import Interval
from ml.errors import ExitCode, InputAbsent, TrailguardError
from ml.sequences.sequences import Sequences

BATCH_ROWS = 1_000_000
_NEVER = pa.schema([("user_id", pa.string()), ("until", TIME)])
Keep = Literal["newest", "first", "ends"]


class WindowInvalid(TrailguardError):
    """A window must keep at least one event, and a shard must be one of its count."""

    exit_code = ExitCode.USAGE


_POPULARITY = """
    create temp table popularity as
    with daily as (
        select item_id, event_time::date as day, count(*) as events, count(distinct user_id) as users
        from lake where event_time < $before and item_id is not null group by all
    )
    select item_id, day, coalesce(sum(events) over earlier, 0)::bigint as item_events,
           coalesce(sum(users) over earlier, 0)::bigint as item_users
    from daily
    window earlier as (partition by item_id order by day
                       range between interval 30 days preceding and interval 1 day preceding)
"""
_CHOSEN = """
    create temp table chosen as
    select user_id from lake
    where event_time < $before and ($everyone or user_id in (select user_id from wanted))
      and md5_number_lower(user_id) % $shards = $shard
    group by user_id
    having $start is null or count(*) filter (event_time >= $start and event_time < $end) > 0
"""
_SEQUENCES = """
    with history as (
        select lake.*,
               row_number() over trail as ordinal,
               first_value(event_time) over trail as first_event_time,
               lag(event_time) over trail as previous_event_time,
               coalesce(item_id = lag(item_id) over trail, false) as same_item,
               coalesce(event_type = lag(event_type) over trail, false) as same_type,
               case when item_id is not null then row_number() over item_trail end as item_visit,
               coalesce(lead(event_time) over trail >= event_time::date + interval 1 day,
                        until is not null or $before >= event_time::date + interval 1 day) as closes_day,
               count(*) over (partition by user_id) - row_number() over trail as remaining
        from lake semi join chosen using (user_id) left join ended using (user_id)
        where event_time < $before and (until is null or event_time < until)
        window trail as (partition by user_id order by event_time, event_id),
               item_trail as (partition by user_id, item_id order by event_time, event_id)
    )
    select history.* exclude (remaining), item_events, item_users, remaining
    from history left join popularity
        on history.item_id = popularity.item_id and history.event_time::date = popularity.day
    where {kept}
    order by user_id, event_time, event_id
"""
_KEPT = {
    "first": "ordinal <= $window",
    "newest": "remaining < $window",
    "ends": "ordinal <= $window or remaining < $window",
}


def stream_sequences(
    events: Path,
    *,
    before: datetime,
    window: int,
    keep: Keep = "newest",
    users: Sequence[str] | pa.Array | None = None,
    active_in: Interval | None = None,
    until: pa.Table | None = None,
    shard: tuple[int, int] = (0, 1),
    memory_limit: str = "2GB",
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Sequences]:
    """Yields the chosen users' sequences in the order of user_id, whole users only, about batch_rows events at a time.

    events: the folder that holds the daily partitions `ds=YYYY-MM-DD/part-*.parquet`.
    before: only events before this moment exist, for the sequences and for item popularity alike.
    window: events kept of each user: the newest, the first, or both ends of the trail.
    users, active_in: only these users; only users with an event in the interval.
    until: user_id, until: such a user's later events are left out, as if they had stopped then. Item popularity still
        counts them.
    shard: (i, n) keeps the users whose hash falls in the i-th of n parts, the same users on every machine.
    memory_limit: what DuckDB may hold before it spills to disk, for example "2GB".
    Raises InputAbsent where the folder holds no partition, WindowInvalid for a window or shard that makes no sense.
    """
    if window < 1 or not 0 <= shard[0] < shard[1]:
        raise WindowInvalid(window=window, shard=shard)
    with tempfile.TemporaryDirectory() as spill, _connect(memory_limit, spill) as connection:
        connection.read_parquet(_partitions(events, before), union_by_name=True).create_view("lake")
        connection.execute(_POPULARITY, {"before": before})
        connection.register("wanted", pa.table({"user_id": pa.array([] if users is None else users, pa.string())}))
        connection.register("ended", _NEVER.empty_table() if until is None else until)
        connection.execute(_CHOSEN, {"before": before, "everyone": users is None, **_choice(active_in, shard)})
        query = _SEQUENCES.format(kept=_KEPT[keep])
        selected = connection.sql(query, params={"before": before, "window": window})
        yield from _whole_users(selected.to_arrow_reader(batch_rows))


def build_sequences(
    events: Path,
    *,
    before: datetime,
    window: int,
    keep: Keep = "newest",
    users: Sequence[str] | pa.Array | None = None,
    active_in: Interval | None = None,
    until: pa.Table | None = None,
    shard: tuple[int, int] = (0, 1),
    memory_limit: str = "2GB",
) -> Sequences:
    """All that `stream_sequences` yields, at once."""
    parts = stream_sequences(
        events,
        before=before,
        window=window,
        keep=keep,
        users=users,
        active_in=active_in,
        until=until,
        shard=shard,
        memory_limit=memory_limit,
    )
    return Sequences.concat(parts)


def _connect(memory_limit: str, spill: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill})
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _partitions(events: Path, before: datetime) -> list[str]:
    """The files of the days up to `before`; the folder's name spares opening the later ones."""
    last = Interval.day(before).ds
    files = [str(file) for file in sorted(events.glob("ds=*/*.parquet")) if file.parent.name <= f"ds={last}"]
    if not files:
        raise InputAbsent(events=events, before=before.isoformat())
    return files


def _choice(active_in: Interval | None, shard: tuple[int, int]) -> dict[str, object]:
    start, end = (active_in.start, active_in.end) if active_in else (None, None)
    return {"start": start, "end": end, "shard": shard[0], "shards": shard[1]}


def _whole_users(batches: pa.RecordBatchReader) -> Iterator[Sequences]:
    """Regroups sorted batches so that no user is split; where there is no event it yields one part without users."""
    held = batches.schema.empty_table()
    for batch in batches:
        rows = pa.concat_tables([held, pa.Table.from_batches([batch])])
        sequences = Sequences.of(rows)
        last = sequences.offsets[-2] if len(sequences) else 0
        if last:
            yield Sequences.of(rows.slice(0, last))
        held = rows.slice(last)
    yield Sequences.of(held)
