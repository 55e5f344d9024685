"""Writes what a reading found into a staging folder: sound rows, refused rows and the count of both."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.intervals import Interval
from ml.contracts.lake import PART
from ml.contracts.quarantine import QUARANTINE_SCHEMA
from ml.ingest.accounting import Accounting
from ml.ingest.batch import RAW_KEPT, Reject
from ml.ingest.column_checks import BROKEN, DS, LINE, RAW, REASON
from ml.ingest.deduplicate import FILE, drop_duplicates
from ml.ingest.lake import UNDATED, undated_name
from ml.ingest.partitions import COMPRESSION
from ml.ingest.spill import Spill


class StagedDays:
    """Dated rows, gathered by day. schema: of the sound rows. key: unique within a day, for events."""

    def __init__(self, folder: Path, spill: Path, files: list[str], schema: pa.Schema, key: str | None):
        self.folder, self.schema, self.key = folder, schema, key
        self.files = pl.Series("source_file", files, pl.String)
        self.order = ["user_id", "event_time", "event_id"] if key else schema.names
        self._spill = Spill(spill)

    def add(self, rows: pl.DataFrame, file: int) -> None:
        """rows: as `ml.ingest.check` gives them, all dated. file: position among the files."""
        self._spill.add(rows.with_columns(pl.lit(file, pl.UInt32).alias(FILE)))

    def write(self, interval: Interval) -> tuple[Accounting, ...]:
        """Writes every day's partitions and returns the accounting of each day, days without rows included."""
        written: dict[str, Accounting] = {}
        for rows in self._spill.groups():
            for accounting in self._write_group(rows):
                written[accounting.ds] = accounting
        days = tuple(written.get(day.ds, Accounting(day.ds)) for day in interval.days())
        for accounting in days:
            _write_accounting(self.folder, f"ds={accounting.ds}", accounting)
        return days

    def _write_group(self, rows: pl.DataFrame) -> Iterable[Accounting]:
        refused = rows.filter(pl.col(REASON).is_not_null())
        kept, duplicates = drop_duplicates(rows.filter(pl.col(REASON).is_null()), self.key)
        conflicting = kept.filter(pl.col(REASON).is_not_null())
        sound = kept.filter(pl.col(REASON).is_null()).sort(DS, *self.order)
        refused = pl.concat([refused, conflicting]).sort(DS, FILE, LINE)
        arrived = Counter(dict(rows.group_by(DS).len().iter_rows()))
        again = Counter(dict(duplicates.group_by(DS).len().iter_rows()))
        accepted, quarantined = _by_day(sound), _by_day(refused)
        for day in sorted(arrived):
            good, bad = accepted.get(day), quarantined.get(day)
            if good is not None:
                _write(self.folder / f"ds={day}" / PART, good.select(self.schema.names), self.schema)
            if bad is not None:
                _write(self.folder / "quarantine" / f"ds={day}" / PART, self._quarantine(bad), QUARANTINE_SCHEMA)
            yield Accounting(
                ds=str(day),
                rows_in=arrived[day],
                accepted=0 if good is None else good.height,
                duplicate=again[day],
                quarantined=0 if bad is None else bad.height,
                reasons=_reasons(bad),
            )

    def _quarantine(self, rows: pl.DataFrame) -> pl.DataFrame:
        return quarantine_rows(rows, self.files.gather(rows[FILE]))


class UndatedRows:
    """The rows of one file that have no date of their own, written as they come.

    accounting: after the `with` block, None where the file had no such row.
    """

    def __init__(self, folder: Path, file: str):
        self.folder, self.file = folder, file
        self.count = 0
        self._reasons: Counter[str] = Counter()
        self._writer: pq.ParquetWriter | None = None
        self.accounting: Accounting | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self.accounting = Accounting(
            ds="undated",
            rows_in=self.count,
            quarantined=self.count,
            reasons=dict(sorted(self._reasons.items())),
            file=self.file,
        )
        _write_accounting(self.folder, f"{UNDATED}/{undated_name(self.file)}", self.accounting)

    def add(self, rows: pl.DataFrame, rejects: list[Reject]) -> None:
        refused = pl.concat([quarantine_rows(rows, pl.Series("source_file", [self.file])), self._lines(rejects)])
        if refused.is_empty():
            return
        if self._writer is None:
            path = self.folder / "quarantine" / UNDATED / f"{undated_name(self.file)}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, QUARANTINE_SCHEMA, compression=COMPRESSION)
        self._writer.write_table(refused.sort("source_line").to_arrow().cast(QUARANTINE_SCHEMA))
        self.count += refused.height
        self._reasons.update(_reasons(refused))

    def _lines(self, rejects: list[Reject]) -> pl.DataFrame:
        rows = [(self.file, reject.line, reject.column, reject.reason, reject.raw) for reject in rejects]
        return pl.DataFrame(rows, schema=_QUARANTINE_TYPES, orient="row")


_QUARANTINE_TYPES = {
    "source_file": pl.String,
    "source_line": pl.Int64,
    "column": pl.String,
    "reason": pl.String,
    "raw": pl.String,
}


def quarantine_rows(rows: pl.DataFrame, files: pl.Series) -> pl.DataFrame:
    """Refused rows in the quarantine's columns. files: the file of each row, or one file for all.

    A row that is not kept as it was read is kept as what it means; only one that contradicts another comes so.
    """
    contract = [name for name in rows.columns if name not in (FILE, LINE, RAW, REASON, BROKEN, DS)]
    meant = pl.struct(contract).struct.json_encode()
    return rows.select(
        pl.lit(files if len(files) == rows.height else files[0], pl.String).alias("source_file"),
        pl.col(LINE).alias("source_line"),
        pl.col(BROKEN).alias("column"),
        pl.col(REASON).alias("reason"),
        pl.coalesce(RAW, meant).str.head(RAW_KEPT).str.strip_chars_end("\r\n").alias("raw"),
    )


def _by_day(rows: pl.DataFrame) -> dict[date, pl.DataFrame]:
    return {day: part for (day,), part in rows.partition_by(DS, as_dict=True, maintain_order=True).items()}


def _reasons(refused: pl.DataFrame | None) -> dict[str, int]:
    if refused is None:
        return {}
    name = REASON if REASON in refused.columns else "reason"
    return dict(refused.group_by(name).len().sort(name).iter_rows())


def _write(path: Path, rows: pl.DataFrame, schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows.to_arrow().cast(schema).combine_chunks(), path, compression=COMPRESSION)


def _write_accounting(folder: Path, name: str, accounting: Accounting) -> None:
    path = folder / "accounting" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(accounting.to_json(), encoding="utf-8")
