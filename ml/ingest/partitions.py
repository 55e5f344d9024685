"""The published event partitions: staged rows in the lake's order, with what happened to each item before.

That follows from the POPULAR_DAYS days before the day and from the day itself, so publishing a day late renews the days
after it. Each day's own sums by item are kept in `items/`, lest a month be read again for every day.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.lake import DERIVED, ORDER, PENDING, POPULAR_DAYS, buckets_of, lake_schema, part
from ml.files import new_file
from ml.ingest.items import ITEMS, NEEDED, add_items, sum_up

COMPRESSION = "zstd"
ROW_GROUP = 16_384  # rows: so few that a range of buckets skips most of a large day
Items = Callable[[date], pl.DataFrame]
Change = Callable[[pa.Table], pa.Table]
AS_IT_IS: Change = pa.Table.combine_chunks


def publish_days(root: Path, staged: Mapping[date, Path], change: Change = AS_IT_IS) -> None:
    """Makes the staged files the lake's partitions of their days; a day whose file is absent loses its partition.

    staged: day -> a file in the event contract, which may be the partition itself. change: of what is read of them,
    for example without some of the rows; where none is left, there is no partition. Doing it again, and in whatever
    order days are published, leaves the same files. A marker in `events/.pending/` lasts while it works or, if it dies,
    until the same days are published.
    """
    items = lru_cache(POPULAR_DAYS + 1)(lambda day: _read_items(root, day))
    with _pending(root / "events", min(staged), max(staged)) as resumed:
        days = sorted(staged)
        changed = [day for day in days if _place_items(root, day, _read(staged[day], change, list(NEEDED))) or resumed]
        for day in days:
            _place(root / "events", day, _complete(_read(staged[day], change), day, items))
        for day in _days_after(changed) - set(staged):
            partition = part(root / "events", day)
            _place(root / "events", day, _complete(_read(partition), day, items))


@contextmanager
def _pending(events: Path, first: date, last: date) -> Iterator[bool]:
    """Marks the days as being published; whether an earlier attempt at some of them died."""
    folder = events / PENDING
    mine = folder / f"{first}_{last}"
    died = [path for path in folder.glob("*_*") if str(first) <= path.name[:10] and path.name[11:] <= str(last)]
    folder.mkdir(parents=True, exist_ok=True)
    mine.touch()
    yield bool(died)
    for marker in {mine, *died}:
        marker.unlink(missing_ok=True)


def _days_after(days: list[date]) -> set[date]:
    """The days to which these are earlier days that count."""
    return {day + timedelta(days=later) for day in days for later in range(1, POPULAR_DAYS + 1)}


def _place_items(root: Path, day: date, rows: pa.Table | None) -> bool:
    """Writes the day's sums by item; whether they are others than before. rows: NEEDED columns at least."""
    before = _read_items(root, day)
    items = pl.DataFrame(schema=ITEMS) if rows is None else sum_up(pl.DataFrame(rows))
    _place(root / "items", day, None if rows is None else items.to_arrow())
    return not items.equals(before)


def _read(path: Path, change: Change = AS_IT_IS, columns: list[str] | None = None) -> pa.Table | None:
    """The file's rows; None where there is none."""
    rows = change(pq.read_table(path, columns=columns, partitioning=None)) if path.is_file() else None
    return rows if rows is not None and rows.num_rows else None


def _read_items(root: Path, day: date) -> pl.DataFrame:
    """Absent columns of an earlier version's file are empty, so that publishing the day again renews the days after."""
    path = part(root / "items", day)
    if not path.is_file():
        return pl.DataFrame(schema=ITEMS)
    read = {"missing_columns": "insert", "hive_partitioning": False, "glob": False}
    return pl.scan_parquet(path, schema=ITEMS, **read).collect()


def _complete(rows: pa.Table | None, day: date, items: Items) -> pa.Table | None:
    """The rows in the lake's order with the derived columns."""
    if rows is None:
        return None
    rows = rows.drop_columns([field.name for field in DERIVED if field.name in rows.column_names])
    earlier = pl.concat(items(day - timedelta(days=back)) for back in range(1, POPULAR_DAYS + 1))
    users = pl.DataFrame({"user_id": rows["user_id"].unique().to_pylist()})
    buckets = users.with_columns(user_bucket=pl.Series(buckets_of(users["user_id"].to_list())))
    completed = add_items(pl.DataFrame(rows), earlier).join(buckets, on="user_id", how="left").sort(*ORDER)
    schema = lake_schema(rows.schema)
    return completed.select(schema.names).to_arrow().cast(schema)


def _place(folder: Path, day: date, rows: pa.Table | None) -> None:
    """Writes the day's partition, or leaves none."""
    path = part(folder, day)
    if rows is not None:
        with new_file(path) as unfinished:
            pq.write_table(
                rows, unfinished, compression=COMPRESSION, row_group_size=ROW_GROUP, use_dictionary=_repeating(rows)
            )
        return
    path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _repeating(rows: pa.Table) -> list[str]:
    """Columns worth a dictionary: one of times or identities takes longer to write and more room than none."""
    return [field.name for field in rows.schema if field.name != "event_id" and not pa.types.is_timestamp(field.type)]
