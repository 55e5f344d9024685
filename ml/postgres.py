"""How stages meet PostgreSQL: one transaction at a time, rows in bulk from Arrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import BytesIO

import psycopg2
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg2 import sql
from psycopg2.extensions import cursor

from ml.postgres_binary import encode_rows


@contextmanager
def transaction(url: str) -> Iterator[cursor]:
    """A cursor whose work is committed whole at the end, or not at all.

    url: libpq's address or SQLAlchemy's. Times are read as UTC.
    """
    address = url.replace("postgresql+psycopg2://", "postgresql://", 1)
    options = "-c timezone=UTC -c datestyle=ISO"
    with closing(psycopg2.connect(address, options=options)) as session, session.cursor() as rows:
        yield rows
        session.commit()  # closing an uncommitted session undoes its work


def copy_rows(into: cursor, table: str, rows: pa.Table | pa.RecordBatchReader, options: str = "") -> None:
    """Copies the rows into the table's columns of the same names.

    options: more of COPY's own, for example `, FREEZE`.
    """
    into.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s))",
        [table],
    )
    types = dict(into.fetchall())
    names = rows.schema.names
    pieces = encode_rows(rows, [types.get(name, "text") for name in names])
    command = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT binary{})").format(
        sql.Identifier(table), _names(names), sql.SQL(options)
    )
    into.copy_expert(command, _Pieces(pieces))


def fetch_strings(asked: cursor, query: str, arguments: Mapping[str, object]) -> pa.ChunkedArray:
    """The one column of text that a query returns, none of it null; no Python string is made for any row."""
    found = BytesIO()
    command = asked.mogrify(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *)", arguments)
    asked.copy_expert(command, found)
    if not found.tell():
        return pa.chunked_array([], pa.string())
    found.seek(0)
    return arrow_csv.read_csv(
        found,
        read_options=arrow_csv.ReadOptions(column_names=["text"]),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(column_types={"text": pa.string()}, strings_can_be_null=False),
    )["text"]


class _Pieces:
    """What psycopg2 reads a COPY from; it takes pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces = pieces

    def read(self, _size: int) -> bytes:
        return next(self._pieces, b"")


def insert_row(into: cursor, table: str, facts: Mapping[str, object], otherwise: str = "") -> None:
    """Inserts one row. otherwise: what to do about one that is there already, for example ON CONFLICT DO NOTHING."""
    values = sql.SQL(", ").join(map(sql.Placeholder, facts))
    command = sql.SQL("INSERT INTO {} ({}) VALUES ({}) {}")
    into.execute(command.format(sql.Identifier(table), _names(facts), values, sql.SQL(otherwise)), facts)


def replace_row(into: cursor, table: str, facts: Mapping[str, object], key: Sequence[str], clock: str) -> None:
    """Inserts one row, or overwrites the one with the same key and sets its column `clock` to the present."""
    names = _names(facts)
    new = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in facts)
    otherwise = sql.SQL("ON CONFLICT ({}) DO UPDATE SET ({}, {}) = ({}, now())")
    insert_row(into, table, facts, otherwise.format(_names(key), names, sql.Identifier(clock), new).as_string(into))


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def fetch_table(done: cursor, schema: pa.Schema) -> pa.Table:
    """All rows of an executed query, whose columns are those of the schema in its order."""
    rows = done.fetchall()
    columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
