"""How stages meet PostgreSQL: one transaction at a time, rows in bulk from Arrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import BytesIO

import psycopg2
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg2 import sql
from psycopg2.extensions import cursor

# Every value is quoted, absent ones are not: so "" stays an empty string and null stays null.
_CSV = arrow_csv.WriteOptions(include_header=False, quoting_style="all_valid")


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


def copy_rows(into: cursor, table: str, rows: pa.Table, options: str = "") -> None:
    """Copies the rows into the table's columns of the same names.

    options: more of COPY's own, for example `, FREEZE`.
    """
    text = BytesIO()
    # combined, because Arrow writes rubbish for a table whose first chunk is empty
    arrow_csv.write_csv(rows.combine_chunks(), text, _CSV)
    text.seek(0)
    command = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv{})").format(
        sql.Identifier(table), _names(rows.column_names), sql.SQL(options)
    )
    into.copy_expert(command, text)


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
