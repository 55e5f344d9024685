"""Running aggregates over many users' events at once, without a loop over users."""

import numpy as np

FIXED_POINT = 2.0**20


class Ragged:
    """The arithmetic of flat arrays (events,) that hold one user's events after another's.

    offsets: int64 (users + 1,), as in Sequences.
    Each method takes and returns arrays of shape (events,); a value at an event depends on this event and the same
    user's earlier ones only. Not even its last bit depends on who else is in the arrays: sums are kept in fixed point
    and extremes as ranks, so a user scores the same in every shard.
    """

    def __init__(self, offsets: np.ndarray):
        lengths = np.diff(offsets)
        self.users = np.repeat(np.arange(len(lengths)), lengths)
        self.starts = np.repeat(offsets[:-1], lengths)
        self.positions = np.arange(offsets[-1]) - self.starts
        self.counts = self.positions + 1

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum so far, this event included, to 2 ** -20 a summand; a missing value (nan) adds nothing. Summands stay
        below 2 ** 20 or so, which logarithms and shares do."""
        known = np.rint(np.nan_to_num(np.asarray(values, np.float64)) * FIXED_POINT).astype(np.int64)
        total = np.cumsum(known)
        return (total - (total - known)[self.starts]) / FIXED_POINT

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean of the known values so far, nan before the first."""
        known = self.sum(~np.isnan(np.asarray(values, np.float64)))
        return self.sum(values) / np.where(known > 0, known, np.nan)

    def std(self, values: np.ndarray) -> np.ndarray:
        """Population standard deviation of the known values so far, to 2 ** -10, nan before the first."""
        coarse = np.rint(np.asarray(values, np.float64) * 2**10) / 2**10  # so that the squares are exact as well
        return np.sqrt(np.maximum(self.mean(np.square(coarse)) - np.square(self.mean(coarse)), 0.0))

    def max(self, values: np.ndarray) -> np.ndarray:
        """Largest known value so far, nan before the first."""
        known, ranks = np.unique(np.asarray(values, np.float64), return_inverse=True)
        missing = len(known) > 0 and np.isnan(known[-1])
        ranks = np.where(ranks == len(known) - 1, 0, ranks + 1) if missing else ranks + 1
        # Each user's ranks are lifted above all earlier users', so that one pass over the array never mixes them.
        lift = self.users * (len(known) + 1)
        largest = np.maximum.accumulate(ranks + lift) - lift
        return np.append(known, np.nan)[largest - 1]

    def min(self, values: np.ndarray) -> np.ndarray:
        """Smallest known value so far, nan before the first."""
        return -self.max(-np.asarray(values, np.float64))

    def first(self, codes: np.ndarray) -> np.ndarray:
        """bool: True where the user meets this code (int, at least 0) for the first time."""
        if len(codes) == 0:
            return np.zeros(0, bool)
        pairs = self.users * (np.int64(codes.max()) + 1) + codes
        first = np.zeros(len(codes), bool)
        first[np.unique(pairs, return_index=True)[1]] = True
        return first

    def since(self, marks: np.ndarray) -> np.ndarray:
        """int64: row of the newest marked event of the user; the user's first event always counts as marked."""
        rows = np.arange(len(marks))
        return np.maximum.accumulate(np.where(marks | (self.positions == 0), rows, 0))

    def recent(self, seconds: np.ndarray, span: float) -> np.ndarray:
        """Events of the user in the trailing span of seconds, this one included, to the millisecond; `seconds` ascends
        within a user and is never negative."""
        if len(seconds) == 0:
            return np.zeros(0, np.int64)
        millis, back = np.rint(seconds * 1000).astype(np.int64), int(span * 1000)
        clock = millis + self.users * (millis.max() + back + 1)
        oldest = np.searchsorted(clock, clock - back, side="left")
        return np.arange(len(clock)) - np.maximum(oldest, self.starts) + 1
