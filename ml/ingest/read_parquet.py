"""Reads Parquet, every column as text, so that the same checks serve every format."""

import json
from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.datasets.file_pattern import SourceFile
from ml.errors import TrailguardError
from ml.ingest.batch import Batch, Reject, bounded, require_columns
from ml.ingest.source import SourceUnreadable

BATCH_ROWS = 65_536


class ColumnNested(TrailguardError):
    """A column that the descriptor names holds lists or structs, where one value is needed.

    Name a flat column.
    """


class ParquetReader:
    """asked: the columns to return. A time column arrives as ISO 8601, whatever its unit; its zone, if any, as Z."""

    def __init__(self, source: SourceFile, asked: Iterable[str]):
        self.source = source
        self.asked = list(dict.fromkeys(asked))

    def read(self) -> Iterator[Batch]:
        """Raises ColumnAbsent, ColumnNested, SourceUnreadable."""
        try:
            with pq.ParquetFile(self.source.path) as file:
                self._check(file.schema_arrow)
                first = 1
                for rows in file.iter_batches(BATCH_ROWS):
                    yield self._batch(rows, first)
                    first += rows.num_rows
        except (pa.ArrowException, OSError) as error:
            raise SourceUnreadable(file=self.source.name, problem=str(error)) from None

    def _check(self, schema: pa.Schema) -> None:
        require_columns(self.source, self.asked, schema.names)
        for name in self.asked:
            if pa.types.is_nested(schema.field(name).type):
                raise ColumnNested(where=f"{self.source.name}:1", column=name, type=schema.field(name).type)

    def _batch(self, rows: pa.RecordBatch, first: int) -> Batch:
        texts, broken = {}, {}
        for k, name in enumerate(rows.schema.names):
            texts[name], unreadable = _texts(rows.column(k))
            broken |= dict.fromkeys(unreadable, name)
        raw = pl.DataFrame(texts).select(pl.struct(pl.all()).struct.json_encode()).to_series()
        rejects = [Reject(first + i, "not_utf8", bounded(raw[i]), column) for i, column in broken.items()]
        kept = pa.array([i for i in range(rows.num_rows) if i not in broken], pa.int64()) if broken else None
        table = pa.table({name: texts[name] for name in self.asked})
        lines = pa.array(range(first, first + rows.num_rows), pa.int64())
        written = raw.to_arrow().cast(pa.string())
        if kept is None:
            return Batch(table, lines, written, rejects)
        return Batch(table.take(kept), lines.take(kept), written.take(kept), rejects)


def _texts(values: pa.Array) -> tuple[pa.Array, list[int]]:
    """The values as strings, and the rows whose bytes are no UTF-8 (a replacement stands there)."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _texts(values.dictionary_decode())
    if pa.types.is_timestamp(kind):
        written = values.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.timestamp("us")).cast(pa.string())
        return (pc.binary_join_element_wise(written, "Z", "") if kind.tz else written), []
    if pa.types.is_nested(kind):
        written = (None if value is None else json.dumps(value, default=str) for value in values.to_pylist())
        return pa.array(written, pa.string()), []
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if binary or textual:
        return _decoded(values.cast(pa.large_binary()))
    return values.cast(pa.string()), []


def _decoded(values: pa.Array) -> tuple[pa.Array, list[int]]:
    try:
        return values.cast(pa.string()), []
    except pa.ArrowInvalid:
        texts, broken = [], []
        for i, value in enumerate(values.to_pylist()):
            text = None if value is None else value.decode("utf-8", errors="backslashreplace")
            if text is not None and text.encode("utf-8") != value:
                broken.append(i)
            texts.append(text)
        return pa.array(texts, pa.string()), broken
