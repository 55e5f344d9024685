"""Reads Parquet, every column as text, so that the same checks serve every format.

A small file can spell a value once and repeat it a billion times. So columns of text are read as dictionaries, and
their values are counted before they are written out.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.datasets.file_pattern import SourceFile
from ml.errors import TrailguardError
from ml.ingest.batch import RAW_KEPT, Batch, Reject, bounded, require_columns
from ml.ingest.source import BLOCK, MAX_LINE, Allowance, SourceUnreadable

BATCH_ROWS = 65_536
ROW_SIZE = 8  # bytes that even an empty row counts for
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000}


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
                schema, metadata = file.schema_arrow, file.metadata
            self._check(schema)
            yield from self._batches(schema, metadata)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SourceUnreadable(file=self.source.name, problem=str(error)) from None

    def _check(self, schema: pa.Schema) -> None:
        require_columns(self.source, self.asked, schema.names)
        for name in self.asked:
            if pa.types.is_nested(schema.field(name).type):
                raise ColumnNested(where=f"{self.source.name}:1", column=name, type=schema.field(name).type)

    def _batches(self, schema: pa.Schema, metadata: pq.FileMetaData) -> Iterator[Batch]:
        """Of nested columns, which fill no contract's column and whose rows know no bound, nothing is read."""
        flat = [field.name for field in schema if not pa.types.is_nested(_stored(field.type))]
        texts = [name for name in flat if _varies(schema.field(name).type)]
        width = ROW_SIZE + sum(field.type.byte_width for field in schema if pa.types.is_fixed_size_binary(field.type))
        Allowance(self.source).spend(_written_size(metadata) + width * metadata.num_rows)
        allowance, first = Allowance(self.source), 1
        with pq.ParquetFile(self.source.path, metadata=metadata, read_dictionary=texts) as file:
            for batch in file.iter_batches(max(1, min(BATCH_ROWS, BLOCK // width)), columns=flat):
                rows = batch.select(flat)  # Arrow also gives columns whose names begin alike
                sizes = _text_sizes(rows)
                allowance.spend(int(sizes.sum()))
                for start, end in _pieces(sizes):
                    yield self._batch(rows.slice(start, end - start), first + start)
                first += rows.num_rows

    def _batch(self, rows: pa.RecordBatch, first: int) -> Batch:
        texts, broken = {}, {}
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            texts[name], unreadable = _texts(column)
            if name in self.asked:
                broken |= dict.fromkeys(unreadable, ("not_utf8", name))
        long = np.flatnonzero(_text_sizes(rows.select(self.asked)) > MAX_LINE)
        broken |= dict.fromkeys(long.tolist(), ("line_too_long", None))
        raw = pl.DataFrame(texts).select(pl.struct(pl.all()).struct.json_encode().str.head(RAW_KEPT)).to_series()
        rejects = [Reject(first + i, reason, bounded(raw[i]), column) for i, (reason, column) in broken.items()]
        table = pa.table({name: texts[name] for name in self.asked})
        lines = pa.array(range(first, first + rows.num_rows), pa.int64())
        written = raw.to_arrow().cast(pa.string())
        if not broken:
            return Batch(table, lines, written, rejects)
        kept = pa.array([i for i in range(rows.num_rows) if i not in broken], pa.int64())
        return Batch(table.take(kept), lines.take(kept), written.take(kept), rejects)


def _written_size(metadata: pq.FileMetaData) -> int:
    """Bytes of all columns before they were compressed, each repeated value once. Asking a column itself can end the
    process where the file is damaged: Arrow throws where pyarrow does not catch."""
    return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))


def _stored(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _varies(kind: pa.DataType) -> bool:
    types = pa.types
    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return texts or types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _text_sizes(rows: pa.RecordBatch) -> np.ndarray:
    """int64 (rows,): bytes of each row's texts once they are written out."""
    sizes = np.zeros(rows.num_rows, np.int64)
    for column in rows.columns:
        if pa.types.is_dictionary(column.type) and _varies(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            sizes += pc.fill_null(lengths, 0).to_numpy()
    return sizes


def _pieces(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cuts rows into runs [start, end) that hold about a block of text each, or one row that holds more."""
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // BLOCK)) + 1
    yield from zip([0, *cuts.tolist()], [*cuts.tolist(), len(sizes)], strict=True)


def _texts(values: pa.Array) -> tuple[pa.Array, list[int]]:
    """The values as strings, and the rows whose bytes are no UTF-8 (a replacement stands there)."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _texts(values.dictionary_decode())
    if isinstance(kind, pa.UuidType):
        return pa.array([value and str(value) for value in values.to_pylist()], pa.string()), []
    if isinstance(kind, pa.BaseExtensionType):
        return _texts(values.storage)
    if pa.types.is_timestamp(kind):
        written = _microseconds(values).cast(pa.timestamp("us")).cast(pa.string())
        return (pc.binary_join_element_wise(written, "Z", "") if kind.tz else written), []
    if _varies(kind) or pa.types.is_fixed_size_binary(kind):
        return _decoded(values.cast(pa.large_binary()))
    return values.cast(pa.string()), []


def _microseconds(times: pa.Array) -> pa.Array:
    """Of a time too far off for that, another that is as far off as can be."""
    unit, tz = times.type.unit, times.type.tz
    if unit in _MICROSECONDS:
        farthest = 2**62 // _MICROSECONDS[unit]
        near = pc.min_element_wise(times.cast(pa.int64()), farthest, skip_nulls=False)
        times = pc.max_element_wise(near, -farthest, skip_nulls=False).cast(times.type)
    return times.cast(pa.timestamp("us", tz), safe=False)


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
