"""Parquet that other programs wrote, well or badly, is read as the text that it means."""

import uuid

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.datasets.file_pattern import SourceFile
from ml.ingest.batch import Batch
from ml.ingest.read import read_rows
from ml.ingest.source import SourceUnreadable

SECONDS = 1393653600


@pytest.fixture
def source(tmp_path) -> SourceFile:
    return SourceFile(tmp_path / "e.parquet", "e.parquet")


def read(source: SourceFile, asked: str) -> Batch:
    (batch,) = read_rows(source, [asked])
    return batch


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_time_is_the_same_in_any_unit(source, unit):
    times = pa.array([SECONDS, None], pa.timestamp("s")).cast(pa.timestamp(unit, "Asia/Tokyo"))
    pq.write_table(pa.table({"at": times}), source.path)
    assert read(source, "at").texts["at"].to_pylist() == ["2014-03-01 06:00:00.000000Z", None]


@pytest.mark.parametrize("far", [2**64 // 1000 + SECONDS * 1000 - 2**63, 2**63 - 1, -(2**63)])
def test_a_time_that_microseconds_cannot_count_never_turns_into_one_of_today(source, far):
    pq.write_table(pa.table({"at": pa.array([far, SECONDS * 1000], pa.timestamp("ms"))}), source.path)
    found, good = read(source, "at").texts["at"].to_pylist()
    assert not found.startswith(("19", "20"))
    assert good == "2014-03-01 06:00:00.000000"


def test_a_uuid_is_read_as_it_is_commonly_written(source):
    ids = [uuid.UUID(int=7), None]
    pq.write_table(pa.table({"id": pa.array([one and one.bytes for one in ids], pa.uuid())}), source.path)
    assert read(source, "id").texts["id"].to_pylist() == ["00000000-0000-0000-0000-000000000007", None]


def test_a_picture_beside_a_row_does_not_spoil_it(source):
    pq.write_table(pa.table({"id": ["a", "b"], "picture": [b"\xff\xd8\xff", b""]}), source.path)
    batch = read(source, "id")
    assert (batch.texts["id"].to_pylist(), batch.rejects) == (["a", "b"], [])
    assert r"\\xff\\xd8" in batch.raw[0].as_py()


def test_a_column_whose_name_is_no_text_refuses_the_file(source):
    pq.write_table(pa.table({"id": ["a"], "name": ["b"]}).replace_schema_metadata(), source.path, store_schema=False)
    source.path.write_bytes(source.path.read_bytes().replace(b"name", b"n\xffme"))
    with pytest.raises(SourceUnreadable, match=r"e\.parquet"):
        read(source, "id")


def test_what_polars_writes_is_read(source):
    pl.DataFrame({"id": ["a", None, "ä"], "kind": pl.Series(["v", "w", "v"], dtype=pl.Categorical)}).write_parquet(
        source.path
    )
    for name, texts in (("id", ["a", None, "ä"]), ("kind", ["v", "w", "v"])):
        assert read(source, name).texts[name].to_pylist() == texts


def test_a_column_is_told_from_one_whose_name_begins_alike(source):
    pq.write_table(pa.table({"a": ["1"], "a.b": ["2"], "c": [{"a": "3"}]}), source.path)
    assert read(source, "a").texts.to_pydict() == {"a": ["1"]}
    assert read(source, "a.b").texts.to_pydict() == {"a.b": ["2"]}
    assert read(source, "a").raw.to_pylist() == ['{"a":"1","a.b":"2"}']
