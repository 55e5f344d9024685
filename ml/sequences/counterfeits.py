"""Trails that nobody left, made of real ones: what a detector learns to tell good users from where no bad one is known.

Each counterfeit takes single events from real trails and breaks what makes a trail one user's:

    segments  a stretch out of the middle of a user's trail, as if the user had begun there
    mixtures  one user's moments, each filled with what some user did at some other time

Events are drawn uniformly from all events, so that a counterfeit shows what is common among events but not what every
user does sooner or later. A detector's logit against them is a likelihood ratio to a background of unrelated events:
Ren et al. 2019, "Likelihood Ratios for Out-of-Distribution Detection", arXiv:1906.02845.
"""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from ml.contracts.events import TIME
from ml.sequences.moments import MOMENT_FIELDS, add_moments
from ml.sequences.sequences import Sequences

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
OF_THE_MOMENT = ("user_id", "event_id", "event_time", "session_id")


def make_counterfeits(real: Sequences, window: int, rng: np.random.Generator) -> Sequences:
    """As many segments and as many mixtures as there are real users, of the same lengths as theirs, `target` 1.

    real: both ends of trails, with `target`. A segment as long as the longest trails cannot be had and is left out.
    """
    made = [_name(kind, make(real, rng)) for kind, make in (("segment", _segments), ("mixture", _mixtures))]
    bare = Sequences.of(pa.concat_tables(made))
    trails = add_moments(bare, before=NEVER, window=window, keep="ends", ended=np.ones(len(bare), bool))
    ones = pa.array(np.ones(trails.events.num_rows, np.int8))
    return Sequences.of(trails.events.append_column("target", ones).select(real.events.column_names))


def _segments(real: Sequences, rng: np.random.Generator) -> tuple[np.ndarray, pa.Table]:
    """The number of each event's new user, and the events."""
    left = np.repeat(real.offsets[1:], real.lengths) - np.arange(real.events.num_rows)
    inside = np.flatnonzero(real.positions > 0)
    inside = inside[np.argsort(-left[inside], kind="stable")]
    long_enough = np.searchsorted(-left[inside], -real.lengths, side="right")
    lengths, choices = real.lengths[long_enough > 0], long_enough[long_enough > 0]
    begins = inside[rng.integers(0, choices)]
    users = np.repeat(np.arange(len(lengths)), lengths)
    rows = np.repeat(begins - np.cumsum(lengths) + lengths, lengths) + np.arange(len(users))
    return users, real.events.take(pa.array(rows))


def _mixtures(real: Sequences, rng: np.random.Generator) -> tuple[np.ndarray, pa.Table]:
    """The number of each event's new user, and the events."""
    rows = rng.integers(0, real.events.num_rows, real.events.num_rows)
    drawn, kept = real.events.take(pa.array(rows)), real.events.select(OF_THE_MOMENT)
    other = _micros(drawn["item_other_time"]) - _micros(drawn["event_time"]) + _micros(kept["event_time"])
    absent = drawn["item_other_time"].is_null().to_numpy()
    for name in OF_THE_MOMENT:
        drawn = _put(drawn, name, kept[name])
    return real.row_users, _put(drawn, "item_other_time", pa.array(other, mask=absent).cast(TIME))


def _name(kind: str, made: tuple[np.ndarray, pa.Table]) -> pa.Table:
    """Under names of their own, with what follows from whole trails left out."""
    users, events = made
    names = pa.array([f"{kind}-{user:08d}" for user in users.tolist()])
    moments = {field.name for field in MOMENT_FIELDS} | {"target"}
    kept = [name for name in events.column_names if name not in moments]
    return _put(events.select(kept), "user_id", names)


def _put(events: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return events.set_column(events.column_names.index(name), events.schema.field(name), values)


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    """int64 (events,): 0 where absent."""
    return column.cast(pa.int64()).fill_null(0).to_numpy()
