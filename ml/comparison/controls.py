"""Trails from which something was taken away: what a model still finds in them, it did not learn from that.

Each takes sequences that are already cut to what is known at a moment, and returns the same users and targets.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from ml.contracts.events import TIME
from ml.sequences.moments import DAY, repeats, visits
from ml.sequences.sequences import Sequences

Control = Callable[[Sequences], Sequences]
BOOKKEEPING = ("user_id", "event_id", "ordinal", "remaining", "target", "judged", "kind")
CLOCK = ("event_time", "first_event_time", "previous_event_time", "item_other_time", "closes_day")
SEED = 0
WEEK, MONDAY = 7 * DAY, 4 * DAY  # microseconds; the first Monday of 1970 was its fifth day


def keep_length(sequences: Sequences) -> Sequences:
    """Leaves how many events there are, and nothing of what they are."""
    blank = remove_time(sequences)
    events, rows = blank.events, blank.events.num_rows
    content = [field for field in events.schema if field.name not in (*BOOKKEEPING, *CLOCK)]
    values = {field.name: pa.nulls(rows, field.type) for field in content}
    unchanging = {"event_type": pa.array(["event"] * rows), "same_item": _no(rows), "same_type": _no(rows)}
    return _with(blank, values | unchanging)


def remove_time(sequences: Sequences) -> Sequences:
    """Leaves what was done in which order; all of it when the week of the user's first event began.

    Not at one moment for all, because what was known of an item depends on when it was touched.
    """
    events, rows = sequences.events, sequences.events.num_rows
    moment = (_micros(events["first_event_time"]) - MONDAY) // WEEK * WEEK + MONDAY
    earlier = pa.array(moment, mask=events["previous_event_time"].is_null().to_numpy()).cast(TIME)
    return _with(
        sequences,
        {
            "event_time": pa.array(moment).cast(TIME),
            "first_event_time": pa.array(moment).cast(TIME),
            "previous_event_time": earlier,
            "item_other_time": pa.nulls(rows, TIME),
            "closes_day": _no(rows),
        },
    )


def shuffle_order(sequences: Sequences) -> Sequences:
    """Leaves what was done, each event with the pause before it, in a random order from the same first moment on.

    The pause of the event that comes first now goes to the one that came first before, which had none.
    """
    events, users = sequences.events, sequences.row_users
    random = np.random.default_rng(SEED).random(events.num_rows)
    source = np.lexsort((random, users))  # the row that each row is now
    begins, was_first = sequences.positions == 0, source == sequences.offsets[users]
    time = _micros(events["event_time"])
    pause = np.where(begins, 0, np.diff(time, prepend=0))
    freed = pause[source[sequences.offsets[:-1]]][users]
    moved = np.where(was_first, freed, pause[source])
    elapsed = np.cumsum(np.where(begins, 0, moved))
    now = time[sequences.offsets[:-1]][users] + elapsed - elapsed[sequences.offsets[:-1]][users]
    content = [name for name in events.column_names if name not in (*BOOKKEEPING, *CLOCK)]
    taken = events.select(content).take(pa.array(source))
    shuffled = _with(sequences, {name: taken[name].combine_chunks() for name in content})
    others = _micros(events["item_other_time"])
    unknown = events["item_other_time"].is_null().to_numpy()[source]
    before = np.where(begins, _micros(events["previous_event_time"]), np.roll(now, 1))
    last = np.append(begins[1:], True)
    later_day = np.roll(now, -1) // DAY > now // DAY
    return _with(
        shuffled,
        {
            "event_time": pa.array(now).cast(TIME),
            "previous_event_time": pa.array(before, mask=events["previous_event_time"].is_null().to_numpy()).cast(TIME),
            "item_other_time": pa.array(now - (time - others)[source], mask=unknown).cast(TIME),
            "closes_day": pa.array(np.where(last, events["closes_day"].to_numpy(), later_day)),
            "same_item": pa.array(repeats(shuffled.events["item_id"]) & ~begins),
            "same_type": pa.array(repeats(shuffled.events["event_type"]) & ~begins),
            "item_visit": visits(shuffled.events["item_id"], users),
        },
    )


CONTROLS: dict[str, Control] = {
    "length only": keep_length,
    "order shuffled": shuffle_order,
    "time removed": remove_time,
}


def _with(sequences: Sequences, columns: Mapping[str, pa.Array]) -> Sequences:
    events = sequences.events
    for name, values in columns.items():
        events = events.set_column(events.column_names.index(name), events.schema.field(name), values)
    return Sequences(sequences.user_ids, sequences.offsets, events)


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    """int64 (events,): 0 where absent."""
    return column.cast(pa.int64()).fill_null(0).to_numpy()


def _no(rows: int) -> pa.Array:
    return pa.array(np.zeros(rows, bool))
