"""A small file that expands to a large one is refused, or read in bounded memory and time."""

import gzip
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.datasets.file_pattern import SourceFile
from ml.ingest import quotes, source
from ml.ingest.column_checks import DS
from ml.ingest.read import read_rows
from ml.ingest.source import MAX_LINE, SourceUnreadable
from ml.ingest.spill import Spill

MIB = 2**20
BOMB = 200 * MIB  # bytes, written out
MOST_MEMORY = 200 * MIB  # that a process takes beside its imports while it reads them all
HEADER = b"id,user\n"
CHILD = """
import json, re, sys
from pathlib import Path
from ml.datasets.file_pattern import SourceFile
from ml.ingest import read_csv, read_json, read_parquet
from ml.ingest.read import read_rows
from ml.ingest.source import SourceUnreadable
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
before, found = peak(), {}
for path in map(Path, sys.argv[1:]):
    rows, problem = 0, ""
    try:
        for batch in read_rows(SourceFile(path, path.name), ["id"]):
            rows += len(batch.lines) + len(batch.rejects)
    except SourceUnreadable as error:
        problem = str(error)
    found[path.name] = [rows, problem, peak() - before]
print(json.dumps(found))
"""


def repeated(value: bytes | str, count: int, kind: pa.DataType | None = None) -> pa.DictionaryArray:
    """So many times one value that is written once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], kind))


def gzip_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(HEADER) + gzip.compress(b"a,b\n" * (2 * MIB)) * (BOMB // (8 * MIB)))


def one_line_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(b"[" * (8 * MIB)) * (BOMB // (8 * MIB)))


def repeated_value_bomb(path: Path) -> None:
    pq.write_table(pa.table({"id": repeated("x" * 10_000, BOMB // 10_000)}), path)


def compressed_value_bomb(path: Path) -> None:
    pq.write_table(pa.table({"id": ["x" * (BOMB // 4)] * 4}), path, compression="zstd", use_dictionary=False)


def many_rows_bomb(path: Path) -> None:
    pq.write_table(pa.table({"id": pa.nulls(BOMB // 10, pa.string())}), path)


def wide_value_bomb(path: Path) -> None:
    values = repeated(b"x" * 100_000, BOMB // 100_000, pa.binary(100_000)).dictionary_decode()
    pq.write_table(pa.table({"id": values}), path)


def nested_bomb(path: Path) -> None:
    lists = pa.ListArray.from_arrays([0, BOMB // 8], pa.nulls(BOMB // 8, pa.int64()))
    pq.write_table(pa.table({"id": ["a"], "many": lists, "deep": [{"far": 2**62}]}), path)


def damaged_file(path: Path) -> None:
    """Its footer says that values may be absent, then how many are: one byte takes the former back."""
    pq.write_table(pa.table({"id": ["a", None]}), path, store_schema=False, write_statistics=False)
    sound = path.read_bytes()
    assert sound.count(b"%\x02\x18\x02id") == 1
    path.write_bytes(sound.replace(b"%\x02\x18\x02id", b"%\x00\x18\x02id"))


BOMBS = {
    "e.csv.gz": gzip_bomb,
    "e.jsonl.gz": one_line_bomb,
    "repeated.parquet": repeated_value_bomb,
    "compressed.parquet": compressed_value_bomb,
    "rows.parquet": many_rows_bomb,
    "wide.parquet": wide_value_bomb,
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, int]]:
    """By file: the rows that were read, why no more were, and the most memory that a process took by then, in bytes."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, write in {**BOMBS, "nested.parquet": nested_bomb, "damaged.parquet": damaged_file}.items():
        write(folder / name)
        assert (folder / name).stat().st_size < MIB / 2
    command = [sys.executable, "-c", CHILD, *map(str, sorted(folder.iterdir()))]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_any_format_is_refused_before_it_fills_the_memory(read, name):
    rows, problem, memory = read[name]
    assert "expands to more than 200 times its size" in problem
    assert name in problem
    assert rows < BOMB // 8
    assert memory < MOST_MEMORY


def test_what_a_nested_column_holds_is_never_read(read):
    rows, problem, memory = read["nested.parquet"]
    assert (rows, problem) == (1, "")
    assert memory < MOST_MEMORY


def test_a_damaged_footer_ends_the_reading_and_not_the_process(read):
    rows, problem, _ = read["damaged.parquet"]
    assert rows == 0
    assert "histogram" in problem


def test_parquet_that_repeats_long_values_is_read_in_pieces(tmp_path, monkeypatch):
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table({"id": repeated("x" * 1000, 20_000), "n": range(20_000)}), path)
    monkeypatch.setattr("ml.ingest.read_parquet.BLOCK", MIB)
    batches = list(read_rows(SourceFile(path, path.name), ["id", "n"]))
    assert len(batches) > 15
    assert [line for batch in batches for line in batch.lines.to_pylist()] == list(range(1, 20_001))
    assert [n for batch in batches for n in batch.texts["n"].to_pylist()] == [str(n) for n in range(20_000)]


def test_a_parquet_row_longer_than_any_line_is_refused_alone(tmp_path):
    path = tmp_path / "e.parquet"
    long = "x" * (MAX_LINE + 1)
    pq.write_table(pa.table({"id": ["a", long, "b"], "unasked": [long, "", ""]}), path)
    (batch,) = read_rows(SourceFile(path, path.name), ["id"])
    assert batch.texts["id"].to_pylist() == ["a", "b"]
    assert [(reject.line, reject.reason) for reject in batch.rejects] == [(2, "line_too_long")]
    assert max(len(raw) for raw in batch.raw.to_pylist()) < MAX_LINE


def test_a_block_of_nothing_but_short_lines_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MOST_LINES", 10)
    path = tmp_path / "e.csv"
    path.write_bytes(HEADER + b"".join(b"%d,b\n" % i for i in range(99)) + b"c" * 500 + b",d\nlast,")
    batches = list(read_rows(SourceFile(path, path.name), ["id"]))
    assert len(batches) > 10
    assert max(len(batch.lines) for batch in batches) <= 10
    assert [line for batch in batches for line in batch.lines.to_pylist()] == list(range(2, 103))
    assert batches[-1].texts["id"].to_pylist()[-1] == "last"


def test_quotes_that_might_all_be_left_open_are_not_looked_at_a_hundred_times_each(tmp_path, monkeypatch):
    """Each line opens a value that the next one closes and opens anew."""
    path = tmp_path / "e.csv"
    lines, looks, look = 20_000, [], quotes._texts
    path.write_bytes(HEADER + b'a","""\n' * lines + b"last,b\n")
    monkeypatch.setattr(quotes, "_texts", lambda *asked: (looks.append(1) or line for line in look(*asked)))
    monkeypatch.setattr(quotes, "LOOKS_IN_VAIN", 100)
    batches = list(read_rows(SourceFile(path, path.name), ["id"]))
    assert lines < len(looks) < 2.1 * lines
    assert sum(len(batch.rejects) for batch in batches) == lines
    assert {reject.reason for batch in batches for reject in batch.rejects} == {"broken_quote"}
    assert [text for batch in batches for text in batch.texts["id"].to_pylist()] == ["last"]


def test_rows_of_long_texts_wait_on_disk_sooner(tmp_path, monkeypatch):
    monkeypatch.setattr("ml.ingest.spill.ROWS_IN_MEMORY", 1000)
    rows = pl.DataFrame({"text": ["x" * 100_000] * 20, DS: [date(2014, 3, 1)] * 20})
    light, heavy = (Spill(tmp_path / name) for name in ("light", "heavy"))
    for spill, texts in ((light, rows.with_columns(text=pl.lit("x"))), (heavy, rows)):
        spill.folder.mkdir()
        for _ in range(3):
            spill.add(texts)
    assert not list(light.folder.iterdir())
    assert len(list(heavy.folder.iterdir())) == 3
    assert sum(group.height for group in heavy.groups()) == 60


def test_what_a_file_may_expand_to_grows_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "EXPANSION_FLOOR", 1000)
    path = tmp_path / "e.csv"
    path.write_bytes(b"x" * 100)
    allowance = source.Allowance(SourceFile(path, path.name))
    allowance.spend(100 * source.MAX_EXPANSION)
    with pytest.raises(SourceUnreadable, match=r"e\.csv"):
        allowance.spend(1)
