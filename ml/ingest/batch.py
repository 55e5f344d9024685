"""What a reader hands on: rows as text, each with its line, and the lines that were no rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from ml.datasets.file_pattern import SourceFile
from ml.errors import TrailguardError

NAMES_TOLD = 100  # of the columns that a file has, where one is missing
RAW_KEPT = 2**16  # characters of a refused line that the quarantine keeps


class ColumnAbsent(TrailguardError):
    """A data file lacks a column that the descriptor names.

    Correct the column's name in the descriptor, or the file's header.
    """


class Reject(NamedTuple):
    """A line that is no row. line: 1-based. reason: stable snake_case id."""

    line: int
    reason: str
    raw: str
    column: str | None = None


@dataclass(frozen=True)
class Batch:
    """texts: one string column for each asked column, null where the file has no value.

    lines: int64, the 1-based line on which each row begins. raw: each row as it was read. All of equal length.
    """

    texts: pa.Table
    lines: pa.Array
    raw: pa.Array
    rejects: list[Reject] = field(default_factory=list)


def require_columns(source: SourceFile, asked: Iterable[str], present: list[str]) -> None:
    """Raises ColumnAbsent for the first asked column that is not there exactly once."""
    for name in asked:
        if present.count(name) != 1:
            problem = "absent" if name not in present else "there more than once"
            raise ColumnAbsent(where=f"{source.name}:1", column=name, problem=problem, columns=present[:NAMES_TOLD])


def bounded(raw: bytes | str) -> str:
    """A refused line as the quarantine keeps it: text, without its line end, its beginning only if it is very long.

    Bytes that are not UTF-8 are written as \\xNN.
    """
    text = raw.decode("utf-8", errors="backslashreplace") if isinstance(raw, bytes) else raw
    return text[:RAW_KEPT].rstrip("\r\n")
