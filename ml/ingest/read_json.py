"""Reads JSON lines: one object on each line, its values as the text that was written."""

import json
from collections.abc import Iterable, Iterator

import pyarrow as pa

from ml.datasets.file_pattern import SourceFile
from ml.ingest.batch import NAMES_TOLD, Batch, Reject, bounded, require_columns
from ml.ingest.lines import Lines
from ml.ingest.source import read_blocks

# Numbers stay text: an id of 20 digits keeps them all, and no number is too long to be read.
_SCAN = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).scan_once
_PLAIN = {str, type(None)}


class JsonLinesReader:
    """asked: the keys to return. required: those that some row of the file must have; other keys may be left out."""

    def __init__(self, source: SourceFile, asked: Iterable[str], required: Iterable[str] = ()):
        self.source = source
        self.asked = list(dict.fromkeys(asked))
        self._missing = set(required)
        self._seen: dict[str, None] = {}

    def read(self) -> Iterator[Batch]:
        """Raises ColumnAbsent, SourceUnreadable."""
        rows = 0
        for block in read_blocks(self.source):
            batch = self._batch(Lines(block))
            rows += len(batch.lines)
            if len(batch.lines) or batch.rejects:
                yield batch
        if rows:
            require_columns(self.source, sorted(self._missing), list(self._seen))

    def _batch(self, lines: Lines) -> Batch:
        refused = lines.refused()
        rejects = [Reject(lines.number(i), reason, bounded(lines.bytes(i))) for i, reason in refused.items()]
        rows, numbers, raw = [], [], []
        for i, line in enumerate(lines.block.data.split(b"\n")[:-1]):
            if i in refused or not line.strip():
                continue
            text, number = line.decode("utf-8"), lines.number(i)
            row = self._row(text)
            if type(row) is list:
                rows.append(row)
                numbers.append(number)
                raw.append(text)
            else:
                rejects.append(Reject(number, row[0], bounded(text), row[1]))
        columns = zip(*rows, strict=True) if rows else ([] for _ in self.asked)
        texts = pa.table([pa.array(column, pa.string()) for column in columns], names=self.asked)
        return Batch(texts, pa.array(numbers, pa.int64()), pa.array(raw, pa.string()), rejects)

    def _row(self, line: str) -> list[str | None] | tuple[str, str | None]:
        """The asked values, or the reason and the column that broke."""
        row = _decode(line)
        if type(row) is not dict:
            return ("not_json" if row is _NOTHING else "not_an_object"), None
        if self._missing:
            self._missing -= row.keys()
            if len(self._seen) < NAMES_TOLD:
                self._seen |= dict.fromkeys(row)
        values = [row.get(name) for name in self.asked]
        if not _PLAIN.issuperset(map(type, values)):
            for k, value in enumerate(values):
                if isinstance(value, bool):
                    values[k] = "true" if value else "false"
                elif isinstance(value, list | dict):
                    return "nested_value", self.asked[k]
        broken = [k for k, value in enumerate(values) if _half_character(value)] if "\\u" in line else []
        return ("not_utf8", self.asked[broken[0]]) if broken else values


_NOTHING = object()


def _decode(line: str) -> object:
    """The value that the line spells, or _NOTHING."""
    start = len(line) - len(line.lstrip())
    try:
        value, end = _SCAN(line, start)
    except (ValueError, StopIteration, RecursionError):
        return _NOTHING
    return _NOTHING if line[end:].strip() else value


def _half_character(value: str | None) -> bool:
    """JSON can spell one half of a surrogate pair, which is no text."""
    return value is not None and any("\ud800" <= letter <= "\udfff" for letter in value)
