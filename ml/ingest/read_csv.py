"""Reads CSV (RFC 4180) so that each line is a row, part of a row, blank, or refused with a reason.

Arrow parses the lines that are rows beyond doubt, which are nearly all; a line with an odd use of quotes goes through
`ml.ingest.quotes`. A quoted value may span lines only in a column that may hold such a value, so that a stray quote
spoils its own line and not those after it.
"""

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from ml.datasets.file_pattern import SourceFile
from ml.errors import TrailguardError
from ml.ingest.batch import Batch, Reject, bounded, require_columns
from ml.ingest.lines import Lines
from ml.ingest.quotes import QuotedRows, read_quoted
from ml.ingest.source import Block, read_blocks

_STRICT_FIELD = r'(?:[^",\r\n]*|"(?:[^"\r\n]|"")*")'
_STRICT_ROW = rf"^{_STRICT_FIELD}(?:,{_STRICT_FIELD})*\r?\n$"


class HeaderUnreadable(TrailguardError):
    """A CSV file's first line is no header.

    The first line must name the columns: UTF-8 text, separated by commas.
    """


class CsvReader:
    """asked: the columns to return. one_line: the columns whose values never hold a line break."""

    def __init__(self, source: SourceFile, asked: Iterable[str], one_line: Iterable[str] = ()):
        self.source = source
        self.asked = list(dict.fromkeys(asked))
        self.one_line = frozenset(one_line)
        self.header: list[str] = []

    def read(self) -> Iterator[Batch]:
        """Raises HeaderUnreadable, ColumnAbsent, SourceUnreadable."""
        waiting = b""
        for block in read_blocks(self.source):
            back = waiting.count(b"\n")
            lines = Lines(Block(waiting + block.data, block.line - back, block.last))
            if not self.header and not (lines := self._after_header(lines)).count:
                waiting = b""
                continue
            batch, waiting = self._batch(lines)
            if len(batch.lines) or batch.rejects:
                yield batch

    def _after_header(self, lines: Lines) -> Lines:
        """Takes the first line that is not blank as the header."""
        filled = np.flatnonzero(~lines.blank)
        if filled.size == 0:
            return lines.after(lines.count)
        first = int(filled[0])
        raw, number = lines.bytes(first), lines.number(first)
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
            self.header = next(csv.reader([text], strict=True))
        except (UnicodeDecodeError, csv.Error, StopIteration) as error:
            raise HeaderUnreadable(where=f"{self.source.name}:{number}", problem=str(error)) from None
        if not text.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in text):
            raise HeaderUnreadable(where=f"{self.source.name}:{number}", problem="it holds control characters")
        require_columns(self.source, self.asked, self.header)
        return lines.after(first + 1)

    def _batch(self, lines: Lines) -> tuple[Batch, bytes]:
        """The rows that begin in these lines, and the bytes that need the next block to be understood."""
        refused = lines.refused()
        barred = np.zeros(lines.count, bool)
        barred[list(refused)] = True
        quoted = self._quoted(lines, barred)
        plain = ~(barred | lines.blank)
        plain[quoted.lines] = False
        plain[quoted.end :] = False
        seen = [(i, reason) for i, reason in refused.items() if i < quoted.end]
        rejects = [Reject(lines.number(i), reason, bounded(lines.bytes(i))) for i, reason in seen]
        texts, kept, miscounted = self._parse(lines, np.flatnonzero(plain))
        rows = [row for row in quoted.rows if row.reason is None]
        odd = self._table([row.fields for row in rows])
        rejects += miscounted
        rejects += [Reject(lines.number(row.line), row.reason, bounded(row.raw)) for row in quoted.rows if row.reason]
        numbers = np.concatenate([kept, [row.line for row in rows]]).astype(np.int64) + lines.block.line
        raw = pa.concat_arrays([lines.texts(kept), pa.array([row.raw for row in rows], pa.string())])
        batch = Batch(pa.concat_tables([texts, odd]), pa.array(numbers), raw, rejects)
        return batch, lines.tail(quoted.end)

    def _quoted(self, lines: Lines, barred: np.ndarray) -> QuotedRows:
        """Reads the lines whose quotes or carriage returns Arrow might understand otherwise than RFC 4180."""
        suspects = np.flatnonzero(lines.suspect & ~barred)
        if suspects.size:
            strict = pc.match_substring_regex(lines.array.take(pa.array(suspects)), _STRICT_ROW)
            suspects = suspects[~strict.to_numpy(zero_copy_only=False)]
        spanning = frozenset(i for i, name in enumerate(self.header) if name not in self.one_line)
        return read_quoted(lines, suspects, barred, width=len(self.header), spanning=spanning)

    def _parse(self, lines: Lines, plain: np.ndarray) -> tuple[pa.Table, np.ndarray, list[Reject]]:
        miscounted: dict[int, Reject] = {}

        def refuse(row: arrow_csv.InvalidRow) -> str:
            line = int(plain[row.number - 1])
            reason = "too_many_fields" if row.actual_columns > row.expected_columns else "too_few_fields"
            miscounted[line] = Reject(lines.number(line), reason, bounded(lines.bytes(line)))
            return "skip"

        data = lines.joined(plain)
        if not data:
            return self._table([]), plain, []
        positions = [str(i) for i in range(len(self.header))]
        wanted = [str(self.header.index(name)) for name in self.asked]
        table = arrow_csv.read_csv(
            # Arrow drops one byte order mark: it must be this one, not one that begins a value
            io.BytesIO(codecs.BOM_UTF8 + data),
            arrow_csv.ReadOptions(use_threads=False, block_size=len(data) + 4, column_names=positions),
            arrow_csv.ParseOptions(invalid_row_handler=refuse, ignore_empty_lines=False),
            arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(wanted, pa.string()),
                include_columns=wanted or positions[:1],
            ),
        )
        kept = plain[~np.isin(plain, list(miscounted))] if miscounted else plain
        return table.rename_columns(self.asked), kept, list(miscounted.values())

    def _table(self, rows: list[list[str]]) -> pa.Table:
        wanted = [self.header.index(name) for name in self.asked]
        columns = [pa.array([row[i] for row in rows], pa.string()) for i in wanted]
        return pa.table(columns, names=self.asked)
