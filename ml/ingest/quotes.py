"""Reads the CSV rows whose quotes need care: values over several lines, quotes inside values, quotes left open."""

import csv
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ml.ingest.lines import Lines

MAX_RECORD_LINES = 100  # a quoted value over more lines is a quote left open
LOOKS_IN_VAIN = 10_000  # lines looked at for values that went over several lines and were none, beside a block's own
_OPEN = "unexpected end of data"


class QuotedRow(NamedTuple):
    """line: index of its first line. fields, or the reason why it has none. raw: its lines."""

    line: int
    fields: list[str]
    reason: str | None
    raw: str


class QuotedRows(NamedTuple):
    """lines: indices of all lines that these rows take up. end: the first line that needs the next block."""

    rows: list[QuotedRow]
    lines: np.ndarray
    end: int


def read_quoted(
    lines: Lines, suspects: np.ndarray, barred: np.ndarray, *, width: int, spanning: frozenset[int]
) -> QuotedRows:
    """Reads one row from each suspect line and, where a value goes on, the lines after it.

    barred: bool (lines,), lines that cannot be part of a row. width: fields of a row. spanning: the fields that may
    hold line breaks. A row over several lines that is not exactly right is no row: its first line is refused alone.
    Once more lines were looked at in vain than there are, no other row over several lines is looked for.
    """
    rows, taken = [], []
    free, looks = 0, LOOKS_IN_VAIN + lines.count
    for i in map(int, suspects):
        if i < free:
            continue
        fields, used, reason = _read_record(lines, i, barred, most=MAX_RECORD_LINES if looks > 0 else 1)
        if reason == _OPEN and used == lines.count - i < MAX_RECORD_LINES and not lines.block.last:
            return QuotedRows(rows, np.array(taken, np.int64), i)
        if used > 1 and (reason or len(fields) != width or _breaks(fields) - spanning):
            looks -= used
            used, reason = 1, "broken_quote"
        rows.append(_row(lines, i, used, fields, reason, width))
        free = i + used
        taken.extend(range(i, free))
    return QuotedRows(rows, np.array(taken, np.int64), lines.count)


def _row(lines: Lines, i: int, used: int, fields: list[str], reason: str | None, width: int) -> QuotedRow:
    raw = b"".join(lines.bytes(k) for k in range(i, i + used)).decode("utf-8")
    if reason is None and len(fields) != width:
        reason = "too_many_fields" if len(fields) > width else "too_few_fields"
    return QuotedRow(i, fields, "broken_quote" if reason == _OPEN else reason, raw)


def _read_record(lines: Lines, i: int, barred: np.ndarray, most: int) -> tuple[list[str], int, str | None]:
    """fields, number of lines looked at, and what is wrong."""
    reader = csv.reader(_texts(lines, i, barred, most), strict=True)
    try:
        return next(reader), reader.line_num, None
    except csv.Error as error:
        problem = str(error)
    if problem == _OPEN:
        return [], reader.line_num, _OPEN
    return [], reader.line_num, "broken_quote" if "expected after" in problem else "malformed_line"


def _texts(lines: Lines, i: int, barred: np.ndarray, most: int) -> Iterator[str]:
    for k in range(i, min(i + most, lines.count)):
        if barred[k]:
            return
        yield lines.bytes(k).decode("utf-8")


def _breaks(fields: list[str]) -> set[int]:
    return {k for k, field in enumerate(fields) if "\n" in field or "\r" in field}
