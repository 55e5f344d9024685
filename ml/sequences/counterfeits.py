"""Trails that nobody left, made of real ones: what a detector learns to tell good users from where no bad one is known.

Each breaks what makes a trail one good user's:

    segments       a stretch out of the middle of a user's trail, as if the user had begun there
    mixtures       one user's moments, each filled with what some user did at some other time
    exaggerations  a user's trail much faster or slower, with much larger or smaller numbers, or with one event again
                   and again

Events are drawn uniformly from all events, so that a counterfeit shows what is common among events but not what every
user does sooner or later. A detector's logit against them is a likelihood ratio to a background of trails, which single
common events cannot raise or lower: Ren et al. 2019, "Likelihood Ratios for Out-of-Distribution Detection",
arXiv:1906.02845. Each kind stands for another way to be anomalous, and no label had a say in which there are: learning
all three instead of one costs a detector hardly any of its ROC AUC on held-out good users and that one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.events import TIME
from ml.sequences.moments import MOMENT_FIELDS, add_moments
from ml.sequences.sequences import Sequences

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
OF_THE_MOMENT = ("user_id", "event_id", "event_time", "session_id")


def make_counterfeits(
    real: Sequences, window: int, rng: np.random.Generator, kinds: Sequence[str] | None = None
) -> Sequences:
    """About as many as there are real users, of each kind as many and of the same lengths as theirs, `target` 1.

    kinds: of KINDS; absent, all of them. real: both ends of trails, with `target`. A segment as long as the longest
    trails cannot be had and is left out.
    """
    chosen = kinds or tuple(KINDS)
    bare = Sequences.of(pa.concat_tables([_name(kind, KINDS[kind](real, rng)) for kind in chosen]))
    kept = rng.random(len(bare)) < 1 / len(chosen)
    bare = bare.keep(kept[bare.row_users])
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
    """As `_segments`."""
    rows = rng.integers(0, real.events.num_rows, real.events.num_rows)
    return real.row_users, _move(real.events.take(pa.array(rows)), real.events, _micros(real.events["event_time"]))


def _exaggerations(real: Sequences, rng: np.random.Generator) -> tuple[np.ndarray, pa.Table]:
    """As `_segments`."""
    users, events = real.row_users, real.events
    hurried, magnified, stubborn = rng.random((3, len(real))) < 0.5
    stubborn |= ~hurried & ~magnified
    rows = rng.integers(0, events.num_rows, len(real))[users]
    drawn = events.take(pa.array(np.where(stubborn[users], rows, np.arange(len(users)))))
    factors = np.where(hurried, _factors(rng, len(real)), 1.0)[users]
    time = _micros(events["event_time"])
    began = time[real.offsets[:-1]][users]
    drawn = _move(drawn, events, began + ((time - began) * factors).astype(np.int64))
    magnitudes = np.where(magnified, _factors(rng, len(real)), 1.0)[users]
    for field in drawn.schema:
        if pa.types.is_floating(field.type):
            drawn = _put(drawn, field.name, pc.multiply(drawn[field.name], pa.array(magnitudes)).cast(field.type))
    return users, drawn


def _factors(rng: np.random.Generator, size: int) -> np.ndarray:
    """float64 (size,): from a thousandth to a thousandfold, evenly in their logarithm."""
    return 10 ** rng.uniform(-3, 3, size)


def _move(drawn: pa.Table, kept: pa.Table, time: np.ndarray) -> pa.Table:
    """What was drawn, at the moments of others; how long the item's last other visitor is gone stays as it was.

    kept: the events that the moments belong to. time: int64 (events,), microseconds since 1970.
    """
    other = time - _micros(drawn["event_time"]) + _micros(drawn["item_other_time"])
    absent = drawn["item_other_time"].is_null().to_numpy()
    for name in OF_THE_MOMENT:
        drawn = _put(drawn, name, kept[name])
    drawn = _put(drawn, "event_time", pa.array(time).cast(TIME))
    return _put(drawn, "item_other_time", pa.array(other, mask=absent).cast(TIME))


def _name(kind: str, made: tuple[np.ndarray, pa.Table]) -> pa.Table:
    """Under names of their own, with what follows from whole trails left out."""
    users, events = made
    names = pa.array([f"\x00{kind}-{user:08d}" for user in users.tolist()], pa.string())
    moments = {field.name for field in MOMENT_FIELDS} | {"target"}
    kept = [name for name in events.column_names if name not in moments]
    return _put(events.select(kept), "user_id", names)


def _put(events: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return events.set_column(events.column_names.index(name), events.schema.field(name), values)


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    """int64 (events,): 0 where absent."""
    return column.cast(pa.int64()).fill_null(0).to_numpy()


KINDS = {"exaggeration": _exaggerations, "mixture": _mixtures, "segment": _segments}
