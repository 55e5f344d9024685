"""Every way a row can be bad ends in quarantine with reason, line and text; the good rows around it stay."""

import gzip
import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.intervals import Interval
from ml.contracts.quarantine import QUARANTINE_SCHEMA
from ml.datasets.descriptor import load_descriptor
from ml.ingest.ingest import publish_events, stage_events
from ml.ingest.lake import EventLake
from ml.ingest.source import MAX_LINE

DAY = Interval.parse("2014-03-01", "2014-03-02")
DESCRIPTOR = """\
name: shop
events:
  files: "{files}"
  columns:
    event_id: id
    user_id: user
    event_time: at
    event_type: kind
    item_id: item
    amount: price
  extras:
    note: text
label_delay_days: 0
"""
NAMES = ["id", "user", "at", "kind", "item", "price", "note"]
AT = "2014-03-01T10:00:00Z"
DATED = {  # reason -> the broken column of the contract, a row's changed values
    "missing_event_id": ("event_id", {"id": ""}),
    "missing_user_id": ("user_id", {"user": "  "}),
    "missing_event_type": ("event_type", {"kind": ""}),
    "control_character": ("item_id", {"item": "i\x07"}),
    "value_too_long": ("user_id", {"user": "u" * 257}),
    "unreadable_number": ("amount", {"price": "1,5"}),
    "number_not_finite": ("amount", {"price": "1e999"}),
}
UNDATED = {
    "missing_event_time": ("event_time", {"at": ""}),
    "unreadable_time": ("event_time", {"at": "yesterday"}),
    "time_out_of_range": ("event_time", {"at": "1969-12-31T23:59:59Z"}),
}
CSV_LINES = {  # reason -> a line that is no row; none of them may harm the line after it
    "too_few_fields": b"a,b,c\n",
    "too_many_fields": b"x,u,2014-03-01,view,i,1,n,more\n",
    "broken_quote": b'x,"u,2014-03-01T10:00:00Z,view,i,1,n\n',
    "broken_quote ": b'x,"u"1,2014-03-01T10:00:00Z,view,i,1,n\n',
    "malformed_line": b"x,u\r1,2014-03-01T10:00:00Z,view,i,1,n\n",
    "not_utf8": b"x,u\xff,2014-03-01T10:00:00Z,view,i,1,n\n",
    "nul_byte": b"x,u\0,2014-03-01T10:00:00Z,view,i,1,n\n",
    "line_too_long": b"x,u,2014-03-01T10:00:00Z,view,i,1," + b"n" * (MAX_LINE + 1) + b"\n",
}
JSON_LINES = {
    "not_json": b"{'id': 1}\n",
    "not_json ": b"[" * 100_000 + b"\n",
    "not_an_object": b'["id"]\n',
    "nested_value": b'{"id": "x", "user": ["u"], "at": "2014-03-01T10:00:00Z", "kind": "view"}\n',
    "not_utf8": b'{"id": "x", "user": "\xff", "at": "2014-03-01T10:00:00Z", "kind": "view"}\n',
    "not_utf8 ": b'{"id": "x", "user": "\\ud800", "at": "2014-03-01T10:00:00Z", "kind": "view"}\n',
    "nul_byte": b'{"id": "x", "user": "\0", "at": "2014-03-01T10:00:00Z", "kind": "view"}\n',
    "line_too_long": b'{"id": "' + b"x" * MAX_LINE + b'"}\n',
}


class BadFile:
    """Good rows with bad ones between them, and what is to be said of each bad one by its line."""

    def __init__(self, write_row, header: bytes = b""):
        self.write_row, self.text, self.line = write_row, header, header.count(b"\n") + 1
        self.dated: dict[int, tuple[str, str | None]] = {}
        self.undated: dict[int, tuple[str, str | None]] = {}
        self.good = 0

    def add_good(self) -> None:
        self._append(self.write_row(self._row()))
        self.good += 1

    def add(self, told: dict, reason: str, column: str | None, text: bytes) -> None:
        told[self.line] = (reason.strip(), column)
        self._append(text)
        self.add_good()

    def add_changed(self, told: dict, cases: dict) -> None:
        for reason, (column, changed) in cases.items():
            self.add(told, reason, column, self.write_row(self._row() | changed))

    def _row(self) -> dict[str, str]:
        return dict(zip(NAMES, [f"e{self.line:03}", "u1", AT, "view", "i1", "9.5", "fine"], strict=True))

    def _append(self, text: bytes) -> None:
        self.text += text
        self.line += text.count(b"\n")


def bad_csv() -> BadFile:
    file = BadFile(
        lambda row: ",".join(quoted(v) for v in row.values()).encode() + b"\n", ",".join(NAMES).encode() + b"\r\n"
    )
    file.add_good()
    file.add_changed(file.dated, DATED)
    file.add_changed(file.undated, UNDATED)
    for reason, text in CSV_LINES.items():
        file.add(file.undated, reason, None, text)
    file._append(b"\n\r\n")  # blank lines are no rows, and count as lines
    file.add_changed(file.dated, {"missing_user_id": ("user_id", {"user": "", "note": 'two\nlines, "quoted"'})})
    file.add(file.undated, "broken_quote", None, b'x,u,2014-03-01T10:00:00Z,view,i,1,"open to the end\n')
    return file


def bad_json() -> BadFile:
    def write(row: dict) -> bytes:
        return json.dumps({name: value or None for name, value in row.items()}).encode() + b"\n"

    file = BadFile(write)
    file.add_good()
    file.add_changed(file.dated, DATED)
    file.add_changed(file.undated, UNDATED)
    for reason, text in JSON_LINES.items():
        column = "user_id" if b'"user": "\\ud800"' in text or b'["u"]' in text else None
        file.add(file.undated, reason, column, text)
    return file


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(mark in value for mark in ',"\n') else value


def read_back(lake: EventLake) -> tuple[pl.DataFrame, dict[str, dict[int, tuple[str, str | None]]]]:
    """The published events, and reason and column of every refused row by its partition and line."""
    days = [pl.read_parquet(path, hive_partitioning=False) for path in lake.partitions()]
    rows = pl.concat([pl.DataFrame(schema={"event_id": pl.String}), *days], how="diagonal")
    refused = {}
    for path in lake.root.glob("quarantine/events/*/*.parquet"):
        assert pq.read_schema(path).equals(QUARANTINE_SCHEMA)
        for file, line, column, reason, raw in pl.read_parquet(path, hive_partitioning=False).iter_rows():
            assert raw is not None
            assert file in ("events.csv", "events.jsonl", "events.parquet")
            refused.setdefault(path.parent.name, {})[line] = (reason, column)
    return rows, refused


@pytest.mark.parametrize(("kind", "bad", "least"), [("csv", bad_csv, 20), ("jsonl", bad_json, 18)])
def test_every_bad_row_is_quarantined_with_its_reason_and_line_and_the_counts_add_up(tmp_path, kind, bad, least):
    bad_file = bad()
    (tmp_path / f"events.{kind}").write_bytes(bad_file.text)
    descriptor, lake = describe(tmp_path, f"events.{kind}"), EventLake(tmp_path / "lake")
    staged = stage_events(descriptor, DAY, lake)
    publish_events(DAY, lake)
    rows, refused = read_back(lake)
    assert len(bad_file.dated) + len(bad_file.undated) >= least
    assert refused == {"ds=2014-03-01": bad_file.dated, "ds=undated": bad_file.undated}
    assert rows.height == bad_file.good == len(set(rows["event_id"]))
    total = staged.total
    assert total.rows_in == bad_file.good + len(bad_file.dated) + len(bad_file.undated) == staged.rows_read
    assert (total.accepted, total.duplicate) == (bad_file.good, 0)
    assert sum(total.reasons.values()) == total.quarantined == total.rows_in - total.accepted
    assert lake.accounting("events", DAY).unaccounted == 0


def test_a_quarantined_row_is_kept_as_it_was_read(tmp_path):
    file = bad_csv()
    (tmp_path / "events.csv").write_bytes(file.text)
    lake = EventLake(tmp_path / "lake")
    stage_events(describe(tmp_path, "events.csv"), DAY, lake)
    publish_events(DAY, lake)
    lines = file.text.split(b"\n")
    kept = pl.read_parquet(lake.root / "quarantine/events/*/*.parquet", hive_partitioning=False)
    short = kept.filter(~pl.col("reason").is_in(["line_too_long", "not_utf8"]))
    assert short.height > 15
    for line, raw in short.select("source_line", "raw").iter_rows():
        assert raw.encode().split(b"\n")[0] == lines[line - 1].rstrip(b"\r")
    assert r"u\xff" in kept.filter(reason="not_utf8")["raw"][0]


def test_a_good_value_may_hold_commas_quotes_and_line_breaks(tmp_path):
    rows = ['1,u,2014-03-01,"vi""ew",i,,"a,\r\nb\n\n""c"" "', '2,u,2014-03-01,5" pipe,i,1,', ""]
    text = "\r\n".join([",".join(NAMES), *rows])
    (tmp_path / "events.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    lake = EventLake(tmp_path / "lake")
    assert stage_events(describe(tmp_path, "events.csv"), DAY, lake).total.quarantined == 0
    publish_events(DAY, lake)
    rows, _ = read_back(lake)
    assert rows["event_type"].to_list() == ['vi"ew', '5" pipe']
    assert rows["note"].to_list() == ['a,\r\nb\n\n"c" ', None]
    assert rows["amount"].to_list() == [None, 1.0]


def test_a_row_that_spans_two_blocks_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("ml.ingest.source.BLOCK", 64)
    text = "id,user,at,kind,item,price,note\n" + "".join(
        f'{i},u{i},2014-03-01T00:00:{i:02}Z,view,i,1,"first\nsecond {i}"\n' for i in range(50)
    )
    (tmp_path / "events.csv").write_text(text)
    lake = EventLake(tmp_path / "lake")
    total = stage_events(describe(tmp_path, "events.csv"), DAY, lake).total
    assert (total.accepted, total.quarantined) == (50, 0)


def test_parquet_of_any_types_is_read_like_text(tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, 2, 3, None], pa.int64()),
            "user": pa.array([b"u1", b"\xff", b"u3", b"u4"], pa.binary()),
            "at": pa.array([1393668000_000_000_000] * 4, pa.timestamp("ns", "Europe/Berlin")),
            "kind": pa.array(["view"] * 4).dictionary_encode(),
            "item": pa.array(["i", None, "", "i"]),
            "price": pa.array([1.5, 2.0, float("nan"), None], pa.float64()),
            "note": pa.array(["n"] * 4, pa.large_string()),
            "tags": pa.array([["a"], [], None, ["b"]]),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    lake = EventLake(tmp_path / "lake")
    stage_events(describe(tmp_path, "events.parquet"), DAY, lake)
    publish_events(DAY, lake)
    rows, refused = read_back(lake)
    assert rows["event_id"].to_list() == ["1"]
    assert str(rows["event_time"][0]) == "2014-03-01 10:00:00+00:00"
    assert refused == {
        "ds=2014-03-01": {3: ("number_not_finite", "amount"), 4: ("missing_event_id", "event_id")},
        "ds=undated": {2: ("not_utf8", "user_id")},
    }


def test_gzipped_files_read_like_plain_ones(tmp_path):
    good = b"id,user,at,kind,item,price,note\n1,u,2014-03-01,view,i,1,n\n"
    (tmp_path / "events.csv.gz").write_bytes(gzip.compress(good[:40]) + gzip.compress(good[40:]))
    lake = EventLake(tmp_path / "lake")
    assert stage_events(describe(tmp_path, "events.csv.gz"), DAY, lake).total.accepted == 1


def describe(folder, files):
    path = folder / "dataset.yaml"
    path.write_text(DESCRIPTOR.format(files=files))
    return load_descriptor(path)
