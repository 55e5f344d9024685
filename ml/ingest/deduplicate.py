"""Tells repeated rows from contradicting ones, the same way in whatever order the rows came."""

import polars as pl

from ml.ingest.column_checks import BROKEN, DS, LINE, RAW, REASON

FILE = "_file"  # the file's position among the reading's files in the order of their names
_PLACE = (FILE, LINE)


def drop_duplicates(rows: pl.DataFrame, key: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Splits sound rows of whole days into those that stay and those that were there before.

    Rows equal in every column of the contract are one row; the first by file and line stays. Where `key` is given,
    rows of one day that share it but differ are in conflict: the smallest by all columns stays, each other one
    comes back with a reason. Returns (rows that stay or are in conflict, duplicates).
    """
    content = [name for name in rows.columns if name not in (FILE, LINE, RAW, REASON, BROKEN)]
    repeated = rows.select([DS, key] if key else content).is_duplicated()
    if not repeated.any():
        return rows, rows.clear()
    single, shared = rows.filter(~repeated), rows.filter(repeated).sort(*content, *_PLACE)
    again = ~shared.select(pl.struct(content).is_first_distinct()).to_series()
    unique, duplicates = shared.filter(~again), shared.filter(again)
    if key:
        unique = _mark_conflicts(unique, key)
    return pl.concat([single, unique]), duplicates


def _mark_conflicts(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """rows: sorted by all columns, no two equal."""
    smaller = ~pl.struct(DS, key).is_first_distinct()
    return rows.with_columns(
        pl.when(smaller).then(pl.lit(f"conflicting_{key}")).otherwise(REASON).alias(REASON),
        pl.when(smaller).then(pl.lit(key)).otherwise(BROKEN).alias(BROKEN),
    )
