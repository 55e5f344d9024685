"""Label rows -> what was known about each user at a moment: anomalous or not, from which event on, since when."""

import glob
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.events import TIME
from ml.sequences.build import Selection, build_sequences
from ml.sequences.item_record import ItemRecord
from ml.sequences.sequences import Sequences

_KNOWN = """
    create temp table known as
    select user_id, event_id,
           arg_max(label, (observed_at, label)) as label,
           arg_min(kind, observed_at) filter (label = 1) as kind,
           min(observed_at) filter (label = 1) as observed_at
    from labels where observed_at < $as_of group by all
"""
_VERDICTS = """
    with bad as (
        select known.*, event_time
        from known left join read_parquet($files, union_by_name = true, hive_partitioning = false) as event
            on event.user_id = known.user_id and event.event_id = known.event_id and event.event_time < $as_of
        where label = 1 and (known.event_id is null or event.event_id is not null)
    )
    select user_id, arg_min(kind, observed_at) as kind, min(observed_at) as observed_at,
           min(event_time) as anomalous_from
    from bad group by user_id order by user_id
"""
_NAMED = """
    select coalesce(one.kind, everything.kind) as kind
    from event
    left join known as one
        on one.user_id = event.user_id and one.event_id = event.event_id and one.label = 1
    left join known as everything
        on everything.user_id = event.user_id and everything.event_id is null and everything.label = 1
    order by event.row
"""
_TOUCHED = """
    select event.item_id, min(anomalous.observed_at) as known_at
    from read_parquet($files, union_by_name = true, hive_partitioning = false) as event
    join anomalous using (user_id)
    where event.item_id is not null and event.event_time < anomalous.observed_at
        and event.event_time >= coalesce(anomalous.anomalous_from, event.event_time)
    group by event.item_id, event.user_id
"""


def find_anomalous(events: Path, labels: pa.Table, *, as_of: datetime) -> pa.Table:
    """The users whom some label, observed before as_of and not overruled by a newer one, calls anomalous.

    events: the folder of daily partitions. labels: LABEL_SCHEMA.
    Returns: user_id, kind, observed_at (the earliest), anomalous_from: the time of the first event that a label names,
        absent where the labels name the user alone. A label of an event that the lake does not hold says nothing.
    """
    with _connect() as connection:
        _keep_known(connection, labels, as_of)
        return connection.sql(_VERDICTS, params={"as_of": as_of, "files": _files(events)}).to_arrow_table()


def name_anomalous_events(events: pa.Table, labels: pa.Table, *, as_of: datetime) -> pa.Array:
    """string (events,): the kind of each event that a label, observed before as_of and not overruled by a newer one,
    names, or all of whose user's events it names; absent for the others.

    events: user_id, event_id, ... labels: LABEL_SCHEMA.
    """
    rows = pa.array(np.arange(events.num_rows))
    with _connect() as connection:
        _keep_known(connection, labels, as_of)
        connection.register("event", events.select(["user_id", "event_id"]).append_column("row", rows))
        return connection.sql(_NAMED).to_arrow_table()["kind"].combine_chunks()


def learn_record(events: Path, labels: pa.Table, *, as_of: datetime) -> ItemRecord:
    """Which items users who were known to be anomalous at as_of had touched before that was known.

    Only events that count as anomalous do: from the first one that a label names or, where none is named, all.
    """
    anomalous = find_anomalous(events, labels, as_of=as_of)
    with _connect() as connection:
        connection.register("anomalous", anomalous)
        return ItemRecord.of(connection.sql(_TOUCHED, params={"files": _files(events)}).to_arrow_table())


def know_users(
    events: Path,
    labels: pa.Table,
    *,
    as_of: datetime,
    label_delay: timedelta,
    window: int,
    early: Callable[[pa.Array], np.ndarray] | None = None,
) -> tuple[pa.Table, Sequences]:
    """The matured users at as_of and both ends of their trails.

    A user matures once their first event is older than label_delay; one whom no label calls anomalous by then counts
    as good. What an anomalous user did after their label became known is left out: it is a consequence of the label
    (a blocked account appeals) and would give it away.
    early: user ids -> bool (users,), who of those whom a label calls anomalous is known before they have matured.
    Returns: users: user_id, first_event_time, label (int8), kind, observed_at, anomalous_from, sorted by user_id; and
        their sequences with `target`, int8: 1 once the user is anomalous.
    Raises InputAbsent.
    """
    anomalous, sequences = _know_trails(events, labels, as_of, window)
    known = _matured(sequences, as_of - label_delay)
    if early:
        suspects = anomalous["user_id"].combine_chunks()
        taken = suspects.filter(pa.array(early(suspects)))
        known |= pc.is_in(sequences.events["user_id"], value_set=taken).to_numpy()
    sequences = sequences.keep(known)
    users = _describe_users(sequences, anomalous)
    return users, _with_targets(sequences, users)


def find_newcomers(
    events: Path, labels: pa.Table, *, as_of: datetime, label_delay: timedelta, window: int
) -> Sequences:
    """Both ends of the trails of all whom `know_users` leaves out, since they have not matured yet.

    Nobody knows yet what to call them; of those whom a label names already, what followed it is left out here as well.
    Raises InputAbsent.
    """
    _, sequences = _know_trails(events, labels, as_of, window)
    return sequences.keep(~_matured(sequences, as_of - label_delay))


def _know_trails(events: Path, labels: pa.Table, as_of: datetime, window: int) -> tuple[pa.Table, Sequences]:
    """The anomalous users, and everybody's trail as far as it may be seen."""
    anomalous = find_anomalous(events, labels, as_of=as_of)
    until = anomalous.select(["user_id", "observed_at"]).rename_columns(["user_id", "until"])
    return anomalous, build_sequences(events, Selection(before=as_of, window=window, keep="ends", until=until))


def _matured(sequences: Sequences, before: datetime) -> np.ndarray:
    """bool (events,): whether the event's user was first seen before that moment."""
    return pc.less(sequences.events["first_event_time"], pa.scalar(before, TIME)).to_numpy()


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _keep_known(connection: duckdb.DuckDBPyConnection, labels: pa.Table, as_of: datetime) -> None:
    """Makes the table `known`: what the newest labels say of each user and each event."""
    connection.register("labels", labels)
    connection.execute(_KNOWN, {"as_of": as_of})


def _files(events: Path) -> list[str]:
    """As DuckDB takes paths: what might be a pattern in them is escaped."""
    return [glob.escape(str(file)) for file in sorted(events.glob("ds=*/*.parquet"))]


def _describe_users(sequences: Sequences, anomalous: pa.Table) -> pa.Table:
    index = pc.index_in(sequences.user_ids, value_set=anomalous["user_id"].combine_chunks())
    known = {name: anomalous[name].take(index) for name in ("kind", "observed_at", "anomalous_from")}
    first_event_time = sequences.events["first_event_time"].take(pa.array(sequences.offsets[:-1]))
    return pa.table(
        {
            "user_id": sequences.user_ids,
            "first_event_time": first_event_time,
            "label": pc.is_valid(index).cast(pa.int8()),
            **known,
        }
    )


def _with_targets(sequences: Sequences, users: pa.Table) -> Sequences:
    """Adds `target`: 1 from the first event that a label names or, where none is named, from the user's first event."""
    rows = pa.array(sequences.row_users)
    since = pc.coalesce(users["anomalous_from"], users["first_event_time"]).take(rows)
    begun = pc.greater_equal(sequences.events["event_time"], since).cast(pa.int8())
    target = pc.multiply(begun, users["label"].take(rows))
    return Sequences(sequences.user_ids, sequences.offsets, sequences.events.append_column("target", target))
