"""Arrow rows in PostgreSQL's binary COPY format, column by column: no Python object is made for any row.

https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"  # a length of -1
AT_ONCE = 4096  # rows in a piece: while one is made, the server still reads what the socket holds of the last
POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01, in microseconds after 1970-01-01

_FIXED = {
    "smallint": (pa.int16(), ">i2"),
    "integer": (pa.int32(), ">i4"),
    "bigint": (pa.int64(), ">i8"),
    "double precision": (pa.float64(), ">f8"),
    "timestamp with time zone": (pa.timestamp("us", "UTC"), ">i8"),
}
_LEADING = {"text": b"", "jsonb": b"\x01"}  # jsonb: its version, then its text


def encode_rows(rows: pa.Table | pa.RecordBatchReader, types: Sequence[str]) -> Iterator[bytes]:
    """The whole COPY stream in pieces, one for each batch of a reader.

    types: PostgreSQL's name of each column's type, in the order of the columns: text, jsonb, smallint, integer, bigint,
    double precision or timestamp with time zone. Raises KeyError for another, ArrowInvalid for a value that its type
    does not hold.
    """
    count = pa.scalar(len(types).to_bytes(2, "big"), pa.binary())
    yield HEADER
    batches = rows.to_batches(max_chunksize=AT_ONCE) if isinstance(rows, pa.Table) else rows
    for batch in filter(len, batches):
        fields = [piece for column, kind in zip(batch.columns, types, strict=True) for piece in _field(column, kind)]
        yield _contents(pc.binary_join_element_wise(count, *fields, b""))
    yield TRAILER


def _field(column: pa.Array, kind: str) -> list[pa.Array]:
    """What a column adds to each row: a length of four bytes and the value; a null has no value and the length -1."""
    if column.null_count == len(column):
        return [pa.repeat(pa.scalar(NULL, pa.binary()), len(column))]
    return _varying(column, _LEADING[kind]) if kind in _LEADING else [_fixed(column, *_FIXED[kind])]


def _varying(column: pa.Array, leading: bytes) -> list[pa.Array]:
    value = column.cast(pa.binary())
    length = pc.fill_null(pc.add(pc.binary_length(value), len(leading)), -1)
    if leading:
        value = pc.binary_join_element_wise(pa.scalar(leading, pa.binary()), value, b"")
    return [_bytes(length.to_numpy().astype(">i4")), pc.fill_null(value, b"")]


def _fixed(column: pa.Array, wanted: pa.DataType, layout: str) -> pa.Array:
    value = column.cast(wanted)
    if pa.types.is_timestamp(wanted):
        value = pc.subtract(value.cast(pa.int64()), POSTGRES_EPOCH)
    record = np.empty(len(column), np.dtype([("length", ">i4"), ("value", layout)]))
    record["length"] = record.dtype["value"].itemsize
    record["value"] = pc.fill_null(value, 0).to_numpy()
    return _bytes(record) if not column.null_count else pc.if_else(column.is_valid(), _bytes(record), NULL)


def _bytes(values: np.ndarray) -> pa.Array:
    fixed = pa.binary(values.dtype.itemsize)
    return pa.Array.from_buffers(fixed, len(values), [None, pa.py_buffer(values)]).cast(pa.binary())


def _contents(joined: pa.Array) -> bytes:
    """All values of a binary array, one after the other."""
    _, offsets, data = joined.buffers()
    ends = np.frombuffer(offsets, np.int32)[joined.offset :][[0, len(joined)]]
    return data[ends[0] : ends[1]].to_pybytes()
