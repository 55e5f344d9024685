"""What was known of a user at the moment of each of their events: columns that follow from whole trails.

    ordinal              int64, 1 for the user's first event ever
    first_event_time     when the user was first seen
    previous_event_time  of the same user, absent at their first event
    same_item, same_type whether the user's previous event had this item, this type
    item_visit           int64, 1 where the user meets this item for the first time, absent where there is no item
    closes_day           whether the user does nothing more on the event's UTC day: known when that day is over, which
                         is when a daily run scores it, but not at the event itself
    remaining            int64, the user's later events; bookkeeping for views, never a model's input

Every engine hands whole users to the same function and so gets the same rows.
"""

from datetime import datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.events import TIME
from ml.sequences.sequences import Sequences

Keep = Literal["newest", "first", "ends"]
DAY = 86_400_000_000  # microseconds
MOMENT_FIELDS = (
    pa.field("ordinal", pa.int64()),
    pa.field("first_event_time", TIME),
    pa.field("previous_event_time", TIME),
    pa.field("same_item", pa.bool_()),
    pa.field("same_type", pa.bool_()),
    pa.field("item_visit", pa.int64()),
    pa.field("closes_day", pa.bool_()),
    pa.field("remaining", pa.int64()),
)


def add_moments(trails: Sequences, *, before: datetime, window: int, keep: Keep, ended: np.ndarray) -> Sequences:
    """The events that the window keeps, with the columns above.

    trails: whole users with every event of theirs before `before`. window: events kept of each: the newest, the first,
    or both ends. ended: bool (users,), True where a user's later events were left out on purpose.
    """
    events, starts = trails.events, np.repeat(trails.offsets[:-1], trails.lengths)
    rows = np.arange(events.num_rows)
    ordinal, remaining = rows - starts + 1, np.repeat(trails.offsets[1:], trails.lengths) - rows - 1
    time = events["event_time"].cast(pa.int64()).to_numpy()
    first = rows == starts
    columns = {
        "ordinal": ordinal,
        "first_event_time": time[starts],
        "previous_event_time": pa.array(np.roll(time, 1), mask=first),
        "same_item": repeats(events["item_id"]) & ~first,
        "same_type": repeats(events["event_type"]) & ~first,
        "item_visit": visits(events["item_id"], trails.row_users),
        "closes_day": _closes_day(time, remaining == 0, ended[trails.row_users], before),
        "remaining": remaining,
    }
    for field in MOMENT_FIELDS:
        events = events.append_column(field, pa.array(columns[field.name]).cast(field.type))
    kept = {"first": ordinal <= window, "newest": remaining < window}
    kept["ends"] = kept["first"] | kept["newest"]
    return Sequences.of(events if kept[keep].all() else events.filter(pa.array(kept[keep])))


def repeats(column: pa.ChunkedArray) -> np.ndarray:
    """bool (events,): whether the row before has the same value; absent values are never the same."""
    values = column.combine_chunks()
    same = pc.fill_null(pc.equal(values[1:], values[:-1]), False).to_numpy(zero_copy_only=False)
    return np.concatenate([np.zeros(min(1, len(values)), bool), same])


def visits(items: pa.ChunkedArray, users: np.ndarray) -> pa.Array:
    """int64 (events,): how often the user has met the item by now, this event included."""
    codes = items.combine_chunks().dictionary_encode().indices
    known = codes.is_valid().to_numpy(zero_copy_only=False)
    # Users are contiguous, so rows in the order of (item, row) hold each user's visits to an item side by side.
    rows = np.arange(len(users))
    span = max(1, len(rows))
    item, order = np.divmod(np.sort(pc.fill_null(codes, -1).to_numpy().astype(np.int64) * span + rows), span)
    user = users[order]
    begins = np.ones(len(rows), bool)
    begins[1:] = (item[1:] != item[:-1]) | (user[1:] != user[:-1])
    visits = np.empty(len(rows), np.int64)
    visits[order] = rows - np.maximum.accumulate(np.where(begins, rows, 0)) + 1
    return pa.array(visits, mask=~known)


def _closes_day(time: np.ndarray, last: np.ndarray, ended: np.ndarray, before: datetime) -> np.ndarray:
    """bool (events,): whether the next event is on a later day or, after the last one, the day is known to be over."""
    day = time // DAY
    over = ended | (round(before.timestamp() * 1_000_000) >= (day + 1) * DAY)
    return np.where(last, over, np.roll(day, -1) > day)
