"""Right-padded batches of similar length, so that little of the arithmetic is spent on padding. Numpy only."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml.sequences.features import Steps

BUCKETS = np.array([1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024])


@dataclass(frozen=True)
class Batch:
    """users: int64 (batch,), indices of the users; length: the padded number of steps."""

    users: np.ndarray
    length: int


def plan_batches(lengths: np.ndarray, *, tokens: int) -> list[Batch]:
    """Groups users of similar length so that a batch holds at most `tokens` steps, padding included (but one user at
    least). Every user is in exactly one batch.

    lengths: int64 (users,).
    """
    padded = padded_lengths(lengths)
    batches = []
    for length in np.unique(padded):
        users = np.flatnonzero(padded == length)
        size = max(1, tokens // int(length))
        batches += [Batch(users[start : start + size], int(length)) for start in range(0, len(users), size)]
    return batches


def pack_batches(lengths: np.ndarray, *, tokens: int) -> list[Batch]:
    """Cuts the users, sorted by length, into batches of at most `tokens` steps, padding included (but one user at
    least), longest first so that parallel workers end together. A batch is padded to its own longest user only.

    lengths: int64 (users,). Every user is in exactly one batch.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        length = int(lengths[order[start]])
        users = order[start : start + max(1, tokens // length)]
        batches.append(Batch(users, length))
        start += len(users)
    return batches


def padded_lengths(lengths: np.ndarray) -> np.ndarray:
    """Each length rounded up to the next bucket, beyond the last one to a multiple of it."""
    last = BUCKETS[-1]
    index = np.minimum(np.searchsorted(BUCKETS, lengths), len(BUCKETS) - 1)
    return np.where(lengths <= last, BUCKETS[index], -(-lengths // last) * last)


def pad(steps: Steps, batch: Batch) -> dict[str, np.ndarray]:
    """The model's inputs: numeric float32 (batch, length, F) and categorical int32 (batch, length, C), zero-padded."""
    rows, real = _rows(steps.offsets, batch)
    inputs = {"numeric": steps.numeric.take(rows, axis=0), "categorical": steps.categorical.take(rows, axis=0)}
    for values in inputs.values():
        values[~real] = 0
    return inputs


def pad_values(values: np.ndarray, offsets: np.ndarray, batch: Batch) -> np.ndarray:
    """One value for each event, (events,) -> (batch, length), zero-padded."""
    rows, real = _rows(offsets, batch)
    return np.where(real, values[rows], np.zeros((), values.dtype))


def unpad(values: np.ndarray, offsets: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(batch, length) -> the event rows that the batch holds, and their values; the inverse of `pad_values`."""
    rows, real = _rows(offsets, batch)
    return rows[real], values[real]


def each_batch(steps: Steps, *, tokens: int) -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
    """Every user once, shortest first, in few different shapes: the batches and the model's inputs for them."""
    for batch in plan_batches(steps.lengths, tokens=tokens):
        yield batch, pad(steps, batch)


def _rows(offsets: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """int64 and bool (batch, length): the event row of each place, and whether an event is there."""
    starts, ends = offsets[batch.users], offsets[batch.users + 1]
    rows = starts[:, None] + np.arange(batch.length)
    real = rows < ends[:, None]
    return np.where(real, rows, 0), real
