"""Where the steps of one batch's users lie in flat arrays: of a fixed shape, so that one compiled program serves every
batch, and with little padding. Numpy only."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

SHORTEST = 8


@dataclass(frozen=True)
class Part:
    """A rectangle of a batch: the steps [start, start + length) of `rows` users, the batch's from row `first` on.

    In a flat array its steps lie together, time first: (length, rows).
    """

    first: int
    rows: int
    start: int
    length: int


@dataclass(frozen=True)
class Packing:
    """parts: in the order of the flat arrays.
    firsts: the first row of each bucket; empty where users take rows in turn.
    """

    parts: tuple[Part, ...]
    firsts: tuple[int, ...] = ()

    def seat(self, buckets: np.ndarray) -> np.ndarray:
        """int64 (users,): the row of each user of a batch. buckets: int64 (users,), descending."""
        turns = np.arange(len(buckets))
        if not self.firsts:
            return turns
        return np.array(self.firsts)[buckets] + turns - np.searchsorted(-buckets, -buckets)

    @cached_property
    def seats(self) -> int:
        """How many users there is room for."""
        return max(part.first + part.rows for part in self.parts)

    @cached_property
    def rows(self) -> np.ndarray:
        """int64 (steps,): the row of the batch that each step belongs to."""
        return np.concatenate(
            [np.tile(np.arange(part.first, part.first + part.rows), part.length) for part in self.parts]
        )

    @cached_property
    def times(self) -> np.ndarray:
        """int64 (steps,): the position of each step in its user's sequence."""
        return np.concatenate(
            [np.repeat(np.arange(part.start, part.start + part.length), part.rows) for part in self.parts]
        )

    def locate(self, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """starts, lengths: int64 (rows,), of each row's user in the events; a length of 0 where a row has no user.

        Returns: int64 and bool (steps,), the event at each step (0 where there is none), and whether there is one.
        """
        real = self.times < lengths[self.rows]
        return np.where(real, starts[self.rows] + self.times, 0), real


def bucket_lengths(window: int) -> np.ndarray:
    """The ends of the parts: powers of two, then the window itself."""
    lengths = [SHORTEST]
    while lengths[-1] < window:
        lengths.append(lengths[-1] * 2)
    return np.minimum(lengths, window)


def pack_segments(ends: np.ndarray, counts: np.ndarray) -> Packing:
    """For a recurrent model: each part goes on, for the users who are still there, where the part before it ended.

    ends: int64 (buckets,), see bucket_lengths. counts: int64 (batches, buckets), users. Rows are users, longest first.
    """
    most = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1].max(axis=0)
    parts = zip(most, [0, *ends[:-1]], ends, strict=True)
    return Packing(tuple(Part(0, int(rows), int(start), int(end - start)) for rows, start, end in parts if rows))


def pack_blocks(ends: np.ndarray, counts: np.ndarray) -> Packing:
    """For any causal model: each part holds the whole sequences of the users of one bucket. Arguments as above."""
    most = counts.max(axis=0)
    firsts = np.cumsum(most) - most
    parts = zip(firsts, most, ends, strict=True)
    return Packing(
        tuple(Part(int(first), int(rows), 0, int(end)) for first, rows, end in parts if rows), tuple(firsts.tolist())
    )
