from datetime import UTC, datetime

import psycopg2
import pyarrow as pa
import pytest

from infra.local.postgres import PostgresServer
from ml.contracts.events import TIME
from ml.postgres import copy_rows, fetch_table, insert_row, replace_row, transaction

SCHEMA = pa.schema([("name", pa.string()), ("count", pa.int64()), ("share", pa.float64()), ("at", TIME)])
MOMENT = datetime(2014, 3, 1, 6, 30, 0, 123456, tzinfo=UTC)
ROWS = pa.Table.from_pylist(
    [
        {"name": 'quote " comma , backslash \\ newline \n tab \t', "count": 2**62, "share": 0.1 + 0.2, "at": MOMENT},
        {"name": "", "count": 0, "share": 5e-324, "at": MOMENT},
        {"name": r"\N", "count": -1, "share": -0.0, "at": MOMENT},
        {"name": r"\.", "count": None, "share": None, "at": None},
        {"name": None, "count": 1, "share": 1e300, "at": MOMENT},
        {"name": "naïve 🙂 用户", "count": 1, "share": 1.0, "at": MOMENT},
    ],
    schema=SCHEMA,
)


@pytest.fixture
def url(postgres: PostgresServer, new_database: str) -> str:
    postgres.execute(
        "CREATE TABLE t (name text UNIQUE, count bigint, share double precision, at timestamptz)", database=new_database
    )
    return postgres.dsn(database=new_database)


def read(url: str) -> pa.Table:
    with transaction(url) as rows:
        rows.execute("SELECT name, count, share, at FROM t ORDER BY ctid")
        return fetch_table(rows, SCHEMA)


def test_every_value_comes_back_as_it_was_copied(url: str):
    with transaction(url) as rows:
        copy_rows(rows, "t", ROWS)
    assert read(url).equals(ROWS)
    assert len(ROWS) == 6


@pytest.mark.parametrize(
    "chunks", [[ROWS.slice(0, 0), ROWS], [ROWS, ROWS.slice(0, 0)], [ROWS.slice(0, 2), ROWS.slice(2, 0), ROWS.slice(2)]]
)
def test_empty_chunks_add_nothing(url: str, chunks: list[pa.Table]):
    with transaction(url) as rows:
        copy_rows(rows, "t", pa.concat_tables(chunks))
    assert read(url).equals(ROWS)


def test_no_rows_are_copied_and_read_as_none(url: str):
    with transaction(url) as rows:
        copy_rows(rows, "t", SCHEMA.empty_table())
    assert read(url).equals(SCHEMA.empty_table())


def test_a_failed_transaction_leaves_nothing(url: str):
    def insert_twice() -> None:
        with transaction(url) as rows:
            insert_row(rows, "t", {"name": "ann", "count": 1})
            insert_row(rows, "t", {"name": "ann", "count": 2})

    with pytest.raises(psycopg2.IntegrityError):
        insert_twice()
    assert len(read(url)) == 0


def test_a_row_is_replaced_by_its_key(url: str):
    for count in (1, 2):
        with transaction(url) as rows:
            replace_row(rows, "t", {"name": "ann", "count": count}, key=["name"], clock="at")
    assert read(url)["count"].to_pylist() == [2]
    assert read(url)["at"].null_count == 0


def test_sqlalchemys_address_works_as_well(url: str):
    with transaction(url.replace("postgresql://", "postgresql+psycopg2://")) as rows:
        rows.execute("SELECT 1")
        assert rows.fetchone() == (1,)


def test_a_lost_connection_is_what_is_raised(url: str, postgres: PostgresServer):
    def lose_the_connection() -> None:
        with transaction(url) as rows:
            rows.execute("SELECT pg_backend_pid()")
            postgres.execute("SELECT pg_terminate_backend(%s, 5000)", rows.fetchone())
            rows.execute("SELECT 1")

    with pytest.raises(psycopg2.OperationalError):
        lose_the_connection()
