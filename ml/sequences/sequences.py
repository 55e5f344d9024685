"""Per-user event sequences of unequal length, kept flat: one Arrow table and the offsets where each user begins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SUFFIX = "\x00"  # between a user and what they are renamed by


@dataclass(frozen=True)
class Sequences:
    """Events of many users, one user after another.

    user_ids: string (users,), ascending.
    offsets: int64 (users + 1,); user u's events are rows offsets[u] to offsets[u + 1] of `events`.
    events: the contract's columns, the declared extras and the point-in-time columns, sorted by
        (user_id, event_time, event_id).
    """

    user_ids: pa.Array
    offsets: np.ndarray
    events: pa.Table

    @classmethod
    def of(cls, events: pa.Table) -> "Sequences":
        """Cuts a table that is sorted by user_id at the user boundaries."""
        users = events["user_id"].combine_chunks()
        if len(users) == 0:
            return cls(pa.array([], users.type), np.zeros(1, np.int64), events)
        changes = pc.not_equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False)
        starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
        return cls(users.take(pa.array(starts)), np.append(starts, len(users)).astype(np.int64), events)

    @classmethod
    def concat(cls, parts: Iterable["Sequences"]) -> "Sequences":
        """Joins parts that share no user, in the order given."""
        return cls.of(pa.concat_tables(part.events for part in parts))

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def lengths(self) -> np.ndarray:
        """int64 (users,): events of each user."""
        return np.diff(self.offsets)

    @property
    def row_users(self) -> np.ndarray:
        """int64 (events,): the index of each event's user."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def positions(self) -> np.ndarray:
        """int64 (events,): 0 for a user's oldest kept event."""
        return np.arange(self.events.num_rows) - np.repeat(self.offsets[:-1], self.lengths)

    @property
    def last_rows(self) -> np.ndarray:
        """int64 (users,): the row of each user's newest kept event."""
        return self.offsets[1:] - 1

    def pieces(self, events: int) -> Iterator["Sequences"]:
        """The same users in order, about so many events at a time, without copying any; none where nobody is."""
        marks = np.searchsorted(self.offsets, np.arange(0, self.offsets[-1], events))
        for first, end in pairwise(np.unique(np.append(marks, len(self))).tolist()):
            offsets = self.offsets[first : end + 1]
            rows = self.events.slice(offsets[0], offsets[-1] - offsets[0])
            yield Sequences(self.user_ids[first:end], offsets - offsets[0], rows)

    def keep(self, rows: np.ndarray) -> "Sequences":
        """Only the rows where the bool (events,) mask is True; a user left without events is left out."""
        return Sequences.of(self.events.filter(pa.array(rows)))

    def of_users(self, user_ids: pa.Array) -> "Sequences":
        """Only the sequences of these users."""
        return self.keep(pc.is_in(self.events["user_id"], value_set=user_ids).to_numpy())

    def renamed(self, suffix: str) -> "Sequences":
        """The same under other names, to stand beside other sequences of the same users."""
        index = self.events.column_names.index("user_id")
        names = pc.binary_join_element_wise(self.events["user_id"], suffix, _SUFFIX)
        return Sequences.of(self.events.set_column(index, self.events.schema.field("user_id"), names))

    @property
    def original_ids(self) -> list[str]:
        """Each sequence's user as it was before `renamed`."""
        return [user.partition(_SUFFIX)[0] for user in self.user_ids.to_pylist()]

    def first(self, count: int) -> "Sequences":
        """Each user's first `count` events ever."""
        return self.keep(pc.less_equal(self.events["ordinal"], count).to_numpy())

    def newest(self, count: int) -> "Sequences":
        """Each user's newest `count` events."""
        return self.keep(pc.less(self.events["remaining"], count).to_numpy())

    def prefix(self, count: int) -> "Sequences":
        """What was known right after each user's event number `count`; users with fewer events are seen whole.

        Nobody knew at that event whether the user would do more that day, so closes_day is False there.
        """
        kept = self.first(count)
        closes = pc.and_(kept.events["closes_day"], pc.not_equal(kept.events["ordinal"], count))
        index = kept.events.column_names.index("closes_day")
        return Sequences(kept.user_ids, kept.offsets, kept.events.set_column(index, "closes_day", closes))
