"""Running aggregates over many users' events at once, without a loop over users."""

from functools import cached_property

import numpy as np

FIXED_POINT = 2.0**20
COARSE = 2.0**10  # its square is FIXED_POINT, so squares are exact as well


class Ragged:
    """The arithmetic of flat arrays (events,) that hold one user's events after another's.

    offsets: int64 (users + 1,), as in Sequences.
    Each method takes and returns arrays of shape (events,); a value at an event depends on this event and the same
    user's earlier ones only. Not even its last bit depends on who else is in the arrays: whatever is added up or
    compared is an integer, so a user scores the same in every shard.
    """

    def __init__(self, offsets: np.ndarray):
        self._offsets, self._lengths = offsets, np.diff(offsets)
        self.users = np.repeat(np.arange(len(self._lengths)), self._lengths)
        self.starts = np.repeat(offsets[:-1], self._lengths)
        self.positions = np.arange(offsets[-1]) - self.starts
        self.counts = self.positions + 1

    def sum(self, summands: np.ndarray) -> np.ndarray:
        """int64: sum so far of integers or truth values, this event included."""
        total = np.cumsum(summands, dtype=np.int64)
        before = np.concatenate([np.zeros(1, np.int64), total])[self._offsets[:-1]]
        return total - np.repeat(before, self._lengths)

    def share(self, marks: np.ndarray) -> np.ndarray:
        """float64: share of marked events so far."""
        return self.sum(marks) / self.counts

    def max(self, levels: np.ndarray) -> np.ndarray:
        """int64: largest level so far; levels are integers of at least 0."""
        # Each user's levels are lifted above all earlier users', so that one pass over the array never mixes them.
        lift = self.users * (np.int64(levels.max(initial=0)) + 1)
        return np.maximum.accumulate(levels + lift) - lift

    def first(self, codes: np.ndarray) -> np.ndarray:
        """bool: True where the user meets this code (int, at least 0) for the first time."""
        rows, span = np.arange(len(codes)), max(1, len(codes))
        pairs = self.users * (np.int64(codes.max(initial=0)) + 1) + codes
        pair, row = np.divmod(np.sort(pairs * span + rows), span)
        first = np.zeros(len(codes), bool)
        first[row] = np.concatenate([np.ones(min(1, len(row)), bool), pair[1:] != pair[:-1]])
        return first

    def since(self, marks: np.ndarray) -> np.ndarray:
        """int64: row of the newest marked event of the user; the user's first event always counts as marked."""
        rows = np.arange(len(marks))
        return np.maximum.accumulate(np.where(marks | (self.positions == 0), rows, 0))

    def recent(self, seconds: np.ndarray, span: float) -> np.ndarray:
        """Events of the user in the trailing span of seconds, this one included, to the millisecond; `seconds` ascends
        within a user and is never negative."""
        millis, back = np.rint(seconds * 1000).astype(np.int64), int(span * 1000)
        clock = millis + self.users * (millis.max(initial=0) + back + 1)
        oldest = np.searchsorted(clock, clock - back, side="left")
        return np.arange(len(clock)) - np.maximum(oldest, self.starts) + 1


class Running:
    """One quantity along every trail, and its aggregates over the known values so far, nan before the first.

    values: float64 (events,), nan where unknown; below 2 ** 20 or so, which logarithms and shares are. They are kept to
    2 ** -20 (for `std`, 2 ** -10).
    """

    def __init__(self, ragged: Ragged, values: np.ndarray):
        self._ragged = ragged
        self._missing = np.isnan(values)
        self._values = np.where(self._missing, 0.0, values)

    @cached_property
    def _known(self) -> np.ndarray:
        """float64: how many values are known so far, nan for none."""
        known = self._ragged.sum(~self._missing)
        return np.where(known > 0, known, np.nan)

    @cached_property
    def _fixed(self) -> np.ndarray:
        return _integers(self._values, FIXED_POINT)

    def mean(self) -> np.ndarray:
        return self._ragged.sum(self._fixed) / FIXED_POINT / self._known

    def std(self) -> np.ndarray:
        """Of the population."""
        coarse = _integers(self._values, COARSE)
        mean = self._ragged.sum(coarse) / COARSE / self._known
        squares = self._ragged.sum(coarse * coarse) / FIXED_POINT / self._known
        return np.sqrt(np.maximum(squares - mean * mean, 0.0))

    def max(self) -> np.ndarray:
        return self._largest(self._fixed)

    def min(self) -> np.ndarray:
        return -self._largest(-self._fixed)

    def _largest(self, fixed: np.ndarray) -> np.ndarray:
        lowest = fixed.min(initial=0)
        largest = self._ragged.max(np.where(self._missing, 0, fixed - lowest + 1))  # level 0: nothing is known
        return np.where(largest > 0, (largest - 1 + lowest) / FIXED_POINT, np.nan)


def _integers(values: np.ndarray, units: float) -> np.ndarray:
    return np.rint(values * units).astype(np.int64)
