"""Fills the tables that an interval's partitions will be, before anybody sees them.

A backend of PostgreSQL keeps one core busy, so a large table is filled in parts, by sessions side by side.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.extensions import cursor

from ml.flags.clearing import Published, with_expiry
from ml.postgres import copy_rows, fetch_strings, transaction
from ml.postgres_binary import AT_ONCE

Share, Result = TypeVar("Share"), TypeVar("Result")
KEYS = {"user_flag": "user_id", "event_flag": "event_id"}
SESSIONS = 3  # of one publisher at most: on two cores, one works while another waits for its disk
PART = 100_000  # rows that are worth a session
SAMPLE = 1000  # keys from which a table is divided evenly
# Only where the database sorts text by its bytes does it divide rows as Arrow does.
_SORTS_BYTES = """
    SELECT pg_encoding_to_char(encoding) = 'UTF8' AND (datlocprovider = 'b' OR datcollate IN ('C', 'POSIX'))
    FROM pg_database WHERE datname = current_database()"""


@dataclass(frozen=True)
class Keys:
    """The keys in [first, beyond) in the order of their bytes; None: no bound."""

    first: str | None
    beyond: str | None

    def choose(self, keys: pa.Array) -> pa.Array:
        """Which of them these are, as a mask; none is null."""
        chosen = pa.repeat(True, len(keys))
        if self.first is not None:
            chosen = pc.and_(chosen, pc.greater_equal(keys, self.first))
        if self.beyond is not None:
            chosen = pc.and_(chosen, pc.less(keys, self.beyond))
        return chosen


class Part:
    """What one session stages of one flag table, in a table of its own."""

    def __init__(self, rows: cursor, parent: str, keys: Keys):
        self.rows, self.parent, self.keys = rows, parent, keys

    def fill(self, now: Published, flags: pa.Table) -> None:
        """Creates the table with those of the flags that have its keys, then indexes it."""
        self.rows.execute(
            "SELECT stage_flags(%s, %s, %s, %s)", [self.parent, now.start, self.keys.first, self.keys.beyond]
        )
        self.staged = self.rows.fetchone()[0]
        self.add(now, flags)
        self.rows.execute("SELECT index_flags(%s)", [self.parent])

    def add(self, now: Published, flags: pa.Table) -> None:
        """Copies those of the flags that have its keys."""
        # frozen: also a reader whose snapshot is older than the swap then finds the new rows, not an empty interval
        copy_rows(self.rows, self.staged, self._own(with_expiry(flags, now.expires_at)), options=", FREEZE")

    def _own(self, flags: pa.Table) -> pa.RecordBatchReader:
        key = KEYS[self.parent]
        batches = flags.to_reader(max_chunksize=SESSIONS * AT_ONCE)
        own = (batch.filter(self.keys.choose(batch[key])) for batch in batches)
        return pa.RecordBatchReader.from_batches(flags.schema, own)


class Staging:
    """The parts of all flag tables of an interval; the first part of each is of the publisher's own session."""

    def __init__(self, now: Published, parts: Mapping[str, list[Part]]):
        self.now, self.parts = now, parts

    def fill(self, tables: Mapping[str, pa.Table]) -> None:
        """Fills all parts. tables: flag table -> its rows."""

        def fill_own(own: Iterable[Part | None]) -> None:
            for part in filter(None, own):
                part.fill(self.now, tables[part.parent])

        _side_by_side(fill_own, zip_longest(*self.parts.values()))

    def ask_users(self, query: str, starts: Sequence[datetime]) -> pa.ChunkedArray:
        """What the query finds of some intervals, of which each session asks about its share as %(starts)s."""
        sessions = [part.rows for part in self.parts["user_flag"]]

        def ask(number: int) -> pa.ChunkedArray:
            share = starts[number :: len(sessions)]
            return fetch_strings(sessions[number], query, {"starts": share})

        found = _side_by_side(ask, range(len(sessions)))
        return pa.chunked_array([chunk for users in found for chunk in users.chunks], pa.string())

    def add_users(self, flags: pa.Table) -> None:
        """Copies more rows into user_flag's parts."""
        _side_by_side(lambda part: part.add(self.now, flags), self.parts["user_flag"])

    def gather(self) -> str:
        """Commits the other sessions' parts and makes all parts of a flag table one; returns user_flag's."""
        others = {part.rows.connection for parts in self.parts.values() for part in parts[1:]}
        _side_by_side(lambda session: session.commit(), others)
        for parent, (first, *rest) in self.parts.items():
            if rest:
                staged, bounds = [part.staged for part in rest], [part.keys.first for part in rest]
                first.rows.execute("SELECT gather_flags(%s, %s, %s, %s)", [parent, self.now.start, staged, bounds])
        return self.parts["user_flag"][0].staged


@contextmanager
def open_staging(url: str, rows: cursor, now: Published, tables: Mapping[str, pa.Table]) -> Iterator[Staging]:
    """Parts for the rows of each flag table, still empty. rows: the publisher's own session.

    Unless they are gathered and the publisher commits, nobody sees them.
    """
    divided = {parent: divide_keys(rows, flags[KEYS[parent]]) for parent, flags in tables.items()}
    with ExitStack() as others:
        # without a limit of their own on standing idle: they wait for the publisher's turn, in nobody's way
        more = max(map(len, divided.values())) - 1
        sessions = [rows, *(others.enter_context(transaction(url)) for _ in range(more))]
        yield Staging(
            now,
            {
                parent: [Part(session, parent, part) for session, part in zip(sessions, keys, strict=False)]
                for parent, keys in divided.items()
            },
        )


def divide_keys(rows: cursor, keys: pa.ChunkedArray) -> list[Keys]:
    """Ranges of about equally many of the keys, which together hold all; one range where that saves no time."""
    wanted = min(SESSIONS, len(keys) // PART)
    if wanted < 2 or not _sorts_bytes(rows):
        return [Keys(None, None)]
    sample = keys.take(np.linspace(0, len(keys) - 1, SAMPLE, dtype=int))
    ordered = sorted(sample.to_pylist())  # code points are in the order of UTF-8's bytes
    bounds = sorted({ordered[SAMPLE * number // wanted] for number in range(1, wanted)})
    return [Keys(*ends) for ends in zip([None, *bounds], [*bounds, None], strict=True)]


def _sorts_bytes(rows: cursor) -> bool:
    rows.execute(_SORTS_BYTES)
    return rows.fetchone()[0]


def _side_by_side(work: Callable[[Share], Result], shares: Iterable[Share]) -> list[Result]:
    with ThreadPoolExecutor(SESSIONS) as threads:
        return list(threads.map(work, shares))
