"""The record of items: an item that many anomalous users touched is itself evidence against the next one who does."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.events import TIME
from ml.files import new_file
from ml.sequences.sequences import Sequences

FILE = "item_record.parquet"
COLUMN = "item_bad_users"
EVIDENCE = pa.schema([pa.field("item_id", pa.string(), nullable=False), pa.field("known_at", TIME, nullable=False)])


@dataclass(frozen=True)
class ItemRecord:
    """Who was found anomalous after touching an item, and since when that was known; without their names.

    evidence: EVIDENCE, one row for each anomalous user who touched the item, sorted by (item_id, known_at). A user's
    own row is known only once their label is, and in training their trail ends there: nobody meets themselves.
    """

    evidence: pa.Table

    @classmethod
    def of(cls, evidence: pa.Table) -> "ItemRecord":
        """evidence: EVIDENCE's columns in any order."""
        ordered = evidence.select(EVIDENCE.names).sort_by([(name, "ascending") for name in EVIDENCE.names])
        return cls(ordered.cast(EVIDENCE).combine_chunks())

    @classmethod
    def empty(cls) -> "ItemRecord":
        return cls(EVIDENCE.empty_table())

    def attach(self, sequences: Sequences) -> Sequences:
        """Adds `item_bad_users`, int64: anomalous users on the event's item who were known as such in an earlier second
        than the event's; absent where the event has no item."""
        items = sequences.events["item_id"]
        values = pa.array(self._count(items, sequences.events["event_time"]), mask=items.is_null().to_numpy())
        return Sequences(sequences.user_ids, sequences.offsets, sequences.events.append_column(COLUMN, values))

    def _count(self, items: pa.ChunkedArray, times: pa.ChunkedArray) -> np.ndarray:
        """int64 (events,)."""
        if self.evidence.num_rows == 0:
            return np.zeros(len(items), np.int64)
        known, begin, span, line = self._line
        item = pc.fill_null(pc.index_in(items, value_set=known), -1).to_numpy().astype(np.int64)
        clock = np.clip(_seconds(times) - begin, 0, span - 1)
        counts = np.searchsorted(line, item * span + clock) - np.searchsorted(line, item * span)
        return np.where(item < 0, 0, counts)

    @cached_property
    def _line(self) -> tuple[pa.Array, int, int, np.ndarray]:
        """The items, the first second and how many there are, and one ascending line of numbers, int64 (evidence,):
        each item's evidence in the order of time, one item after another."""
        encoded = self.evidence["item_id"].combine_chunks().dictionary_encode()
        known = _seconds(self.evidence["known_at"])
        begin, span = int(known.min()), int(known.max() - known.min()) + 2
        return encoded.dictionary, begin, span, encoded.indices.to_numpy().astype(np.int64) * span + (known - begin)

    def save(self, folder: Path) -> None:
        """Writes FILE."""
        with new_file(folder / FILE) as unfinished:
            pq.write_table(self.evidence, unfinished, compression="zstd")

    @classmethod
    def load(cls, folder: Path) -> "ItemRecord":
        return cls(pq.read_table(folder / FILE, schema=EVIDENCE))


def _seconds(times: pa.ChunkedArray) -> np.ndarray:
    return times.cast(pa.int64()).to_numpy() // 1_000_000
