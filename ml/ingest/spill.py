"""Holds the rows of a whole reading by day, on disk, so that memory is bounded by a day and not by the history."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ml.ingest.column_checks import DS

ROWS_IN_MEMORY = 1_000_000
ROW_SIZE = 1024  # bytes; a longer row counts for several


class Spill:
    """Files of rows sorted by day; a day's rows are a slice of each."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._files: list[tuple[pa.Table, np.ndarray]] = []
        self.days: dict[date, int] = {}  # day -> rows, by their weight

    def add(self, rows: pl.DataFrame) -> None:
        """rows: any columns, the same at every call, and DS."""
        if rows.height:
            self._waiting.append(rows)
            self._rows += _weight(rows)
        if self._rows >= ROWS_IN_MEMORY:
            self._flush()

    def groups(self) -> Iterator[pl.DataFrame]:
        """Whole days, oldest first, as many at a time as fit in memory; in no order within."""
        self._flush()
        group, rows = [], 0
        for day in sorted(self.days):
            if group and rows + self.days[day] > ROWS_IN_MEMORY:
                yield self._between(group[0], group[-1])
                group, rows = [], 0
            group.append(day)
            rows += self.days[day]
        if group:
            yield self._between(group[0], group[-1])

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows = pl.concat(self._waiting).sort(DS)
        for day, count in rows.group_by(DS).len().iter_rows():
            self.days[day] = self.days.get(day, 0) + count * self._rows // rows.height
        path = self.folder / f"{len(self._files)}.arrow"
        rows.write_ipc(path)
        self._files.append((pa.ipc.open_file(pa.memory_map(str(path))).read_all(), rows[DS].to_physical().to_numpy()))
        self._waiting, self._rows = [], 0

    def _between(self, first: date, last: date) -> pl.DataFrame:
        low, high = ((day - date(1970, 1, 1)).days for day in (first, last))
        slices = []
        for table, days in self._files:
            start, end = np.searchsorted(days, low, "left"), np.searchsorted(days, high, "right")
            slices.append(pl.DataFrame(table.slice(start, end - start)))
        return pl.concat(slices)


def _weight(rows: pl.DataFrame) -> int:
    return max(rows.height, rows.estimated_size() // ROW_SIZE)
