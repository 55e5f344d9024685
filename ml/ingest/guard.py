"""What ingestion does with users: their names are veiled where there is a key, and nothing is kept of the erased."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from ml.contracts.quarantine import ERASED
from ml.ingest.batch import Batch, Reject
from ml.ingest.column_checks import BROKEN, DS, LINE, RAW, REASON
from ml.ingest.pseudonyms import Pseudonyms

_CELLS, _WORDS = (re.compile(marks) for marks in (r'[,;|\x00-\x1f"{}\[\]]+', r'[\s,;|:\x00-\x1f"{}\[\]]+'))


def digest_of(user_id: str) -> str:
    """By which an erased user is remembered: SHA-256 of the name that stands in the lake, as 64 hexadecimal digits."""
    return hashlib.sha256(user_id.encode()).hexdigest()


@dataclass(frozen=True)
class Guard:
    """pseudonyms: None: users keep the shop's ids. erased: digests of erased users, who must not come back."""

    pseudonyms: Pseudonyms | None = None
    erased: frozenset[str] = frozenset()

    def veil(self, batch: Batch, columns: frozenset[str]) -> Batch:
        """The batch under pseudonyms, where there is a key; without lines that name an erased user."""
        batch = self.pseudonyms.veil(batch, columns) if self.pseudonyms else batch
        if not self.erased or not batch.rejects:
            return batch
        return Batch(batch.texts, batch.lines, batch.raw, [self._blank(reject) for reject in batch.rejects])

    def describe(self, rows: pl.DataFrame, batch: Batch) -> pl.DataFrame:
        """Checked rows of a veiled batch; the refused ones get their mapped columns, as JSON, for what was read."""
        refused = rows[REASON].is_not_null()
        if not self.pseudonyms or not refused.any():
            return rows
        read = pl.Series(batch.lines).is_in(rows[LINE].filter(refused).to_list())
        written = pl.DataFrame(batch.texts).filter(read).select(pl.struct(pl.all()).struct.json_encode()).to_series()
        return rows.with_columns(rows[RAW].scatter(refused.arg_true(), written))

    def blank(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Checked rows; those of erased users are refused, and nothing but their lines is left of them."""
        if not self.erased or rows.is_empty():
            return rows
        users = rows["user_id"].unique().drop_nulls()
        known = [user for user in users if digest_of(user) in self.erased]
        gone = rows["user_id"].is_in(known).fill_null(False) | self._names_erased(rows)
        if not gone.any():
            return rows
        told = {REASON: pl.lit(ERASED), BROKEN: pl.lit("user_id"), RAW: pl.lit("")}
        emptied = {name: pl.lit(None) for name in rows.columns if name not in {*told, LINE, DS}}
        blanked = [pl.when(gone).then(new).otherwise(name).alias(name) for name, new in (told | emptied).items()]
        return rows.with_columns(blanked)

    def _blank(self, reject: Reject) -> Reject:
        return reject._replace(reason=ERASED, raw="") if self._named_in(reject.raw) else reject

    def _names_erased(self, rows: pl.DataFrame) -> pl.Series:
        """Of refused rows: a user whose id could not be read may still stand in the row as it was read."""
        read = zip(rows[REASON], rows[RAW], strict=True)
        return pl.Series([reason is not None and self._named_in(raw) for reason, raw in read], dtype=pl.Boolean)

    def _named_in(self, raw: str) -> bool:
        return any(digest_of(cell) in self.erased for cell in set(_cells(raw)))


def _cells(raw: str) -> Iterator[str]:
    for marks in (_CELLS, _WORDS):
        yield from (cell for part in marks.split(raw) if (cell := part.strip()))
