"""Whatever bytes a file holds: every row is accounted for, or the file is refused as a whole."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.contracts.intervals import Interval
from ml.datasets.file_pattern import SourceFile
from ml.errors import TrailguardError
from ml.ingest.ingest import publish_events, stage_events
from ml.ingest.lake import EventLake
from ml.ingest.read import read_rows
from tests.unit.test_ingest_bad_files import AT, NAMES, describe, read_back

DAY = Interval.parse("2014-03-01", "2014-03-02")
HEADER = ",".join(NAMES).encode() + b"\n"
CELL = st.sampled_from(
    [b"", b"u1", b'"', b'""', b'"a', b'a"', b'"a,b"', b"\r", b"\0", b"\xff", b"1e5", b"nan", AT.encode(), b" "]
)
CSV_LINE = st.lists(CELL, min_size=5, max_size=9).map(b",".join)
JSON_VALUE = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.sampled_from([AT, [], {}, 10**30])
)
JSON_LINE = st.dictionaries(st.sampled_from(NAMES), JSON_VALUE).map(lambda row: json.dumps(row).encode())
ANY_LINE = st.one_of(CSV_LINE, JSON_LINE, st.binary(max_size=60))
TEXT = st.lists(st.tuples(ANY_LINE, st.sampled_from([b"\n", b"\r\n", b"\n\n"])).map(b"".join), max_size=12).map(
    b"".join
)
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(TEXT)
def test_a_csv_file_of_any_lines_loses_no_row(text):
    assert good_rows("events.csv", HEADER + f"good,u1,{AT},view,,,\n".encode() + text) == 1


@FEW
@given(TEXT)
def test_a_json_lines_file_of_any_lines_loses_no_row(text):
    good = json.dumps({"id": "good", "user": "u1", "at": AT, "kind": "view"}).encode()
    assert good_rows("events.jsonl", good + b"\n" + text) == 1


@FEW
@given(st.sampled_from(["events.csv", "events.jsonl", "events.csv.gz", "events.parquet"]), st.binary(max_size=200))
def test_a_file_of_any_bytes_is_accounted_for_or_refused(name, text):
    refused = None
    try:
        found = good_rows(name, text)
    except TrailguardError as error:
        found, refused = 0, str(error)
    assert found == 0
    assert refused is None or name in refused


@MANY
@given(TEXT, st.integers(1, 80))
def test_every_line_of_a_csv_file_is_a_row_or_part_of_one_or_blank_however_it_is_cut(text, block):
    whole = lines_seen(HEADER + text, block=2**20)
    assert lines_seen(HEADER + text, block=block) == whole
    lines = (HEADER + text).split(b"\n")
    for first, raw in whole:
        assert raw.split("\n")[0].rstrip("\r") == shown(lines[first - 1]).rstrip("\r")
    covered = {line for first, raw in whole for line in range(first, first + raw.count("\n") + 1)}
    filled = {number for number, line in enumerate(lines, 1) if line not in (b"", b"\r")}
    assert filled == covered | {1}


def lines_seen(text: bytes, block: int) -> list[tuple[int, str]]:
    """First line and text of every row and reject of a CSV file that is read in blocks of that many bytes."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.ingest.source.BLOCK", block)
        path = Path(folder) / "events.csv"
        path.write_bytes(text)
        seen = []
        for batch in read_rows(SourceFile(path, path.name), NAMES, one_line=NAMES[:-1]):
            assert len(batch.texts) == len(batch.lines) == len(batch.raw)
            seen += zip(batch.lines.to_pylist(), (raw.removesuffix("\n") for raw in batch.raw.to_pylist()), strict=True)
            seen += [(reject.line, reject.raw) for reject in batch.rejects]
    assert len({line for line, _ in seen}) == len(seen)
    return sorted(seen)


def shown(line: bytes) -> str:
    return line.decode("utf-8", errors="backslashreplace")


def good_rows(name: str, text: bytes) -> int:
    """Ingests the file, checks that counts and files agree, and returns how many rows called `good` were accepted."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_bytes(text)
        lake = EventLake(root / "lake")
        staged = stage_events(describe(root, name), DAY, lake)
        publish_events(DAY, lake)
        total = staged.total
        assert total.rows_in == total.accepted + total.duplicate + total.quarantined
        assert staged.rows_read == total.rows_in + staged.outside
        rows, refused = read_back(lake)
        assert (total.accepted, total.quarantined) == (rows.height, sum(len(lines) for lines in refused.values()))
        return rows.filter(event_id="good").height
