"""One file without a user: a table loses their rows, a text what mentions them; the file is whole at any moment."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.errors import TrailguardError
from ml.files import new_file, write_text
from ml.privacy.traces import BLANK, Traces, text_columns

AT_ONCE = 65_536  # rows
TEXTS = {".json", ".html", ".txt", ".md", ".svg", ".yaml"}
SNAPSHOT, CHECKPOINTS = "snapshot.json", "*.npz"


class TraceLeft(TrailguardError):
    """Something still names the user, so the erasure is not complete; all else has been taken out.

    A model's folder is never changed, for its digest is on record: train again without the user and delete the version.
    Take anything else out by hand, then erase again.
    """


def count_rows(path: Path, traces: Traces) -> int:
    """Rows of a table that are the user's or mention them."""
    return sum(max(traces.count(rows).values(), default=0) for rows in read_texts(path))


def erase_from(path: Path, traces: Traces) -> int:
    """Returns how many rows of a table were taken out or blanked, or how often a text mentioned the user."""
    if path.suffix in (".parquet", ".csv"):
        rows = count_rows(path, traces)
        if rows:
            _rewrite(path, traces)
        return rows
    if path.suffix not in TEXTS or not traces.in_bytes(path.read_bytes()):
        return 0
    text, mentions = traces.words.subn(BLANK, path.read_text(encoding="utf-8"))
    write_text(path, text)
    return mentions


def search_file(path: Path, traces: Traces) -> int:
    """Returns how many values were looked at, those of numbers aside. Raises TraceLeft, naming file and column."""
    if path.suffix not in (".parquet", ".csv"):
        if traces.in_bytes(path.read_bytes()):
            raise TraceLeft(file=path)
        return 1
    values = 0
    for rows in read_texts(path):
        for column, count in traces.count(rows).items():
            raise TraceLeft(file=path, column=column, values=count)
        values += rows.num_rows * rows.num_columns
    return values


def read_texts(path: Path) -> Iterator[pa.Table]:
    """A table's columns of text, some rows at a time."""
    if path.suffix == ".csv":
        yield _read_csv(path)
        return
    with pq.ParquetFile(path) as file:
        names = text_columns(file.schema_arrow)
        for rows in file.iter_batches(AT_ONCE, columns=names) if names else ():
            yield pa.Table.from_batches([rows])


def _rewrite(path: Path, traces: Traces) -> None:
    if (path.parent / SNAPSHOT).exists():  # a training that was broken off would go on with what it had learned
        for checkpoint in path.parent.glob(CHECKPOINTS):
            checkpoint.unlink()
    with new_file(path) as unfinished:
        if path.suffix == ".csv":
            _write_csv(unfinished, traces.remove(_read_csv(path)))
        else:
            with pq.ParquetFile(path) as file:
                pq.write_table(traces.remove(file.read()), unfinished, compression="zstd")


def _read_csv(path: Path) -> pa.Table:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = np.array(rows, object).reshape(len(rows), len(header)).T
    return pa.table([pa.array(column, pa.string()) for column in columns], names=header)


def _write_csv(path: Path, table: pa.Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
