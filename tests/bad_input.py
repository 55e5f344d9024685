"""Files of events and labels as a careless or hostile shop might send them, for Hypothesis to draw.

Most rows are sound; among them stand others with any value in any column, lines that are no rows, and rows that came
before, the same or changed. Some files are damaged as a whole.
"""

import csv
import gzip
import io
import json
import random
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

FORMATS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
MOST_ROWS = 300  # of a file
EVENT_NAMES = ("id", "user", "at", "kind", "item", "price", "note")
LABEL_NAMES = ("user", "event", "verdict", "why", "sure", "told")
DESCRIPTOR = """\
name: shop
events:
  files: "events/*{suffix}"
  columns: {{event_id: id, user_id: user, event_time: at, event_type: kind, item_id: item, amount: price}}
  extras: {{note: text}}
labels:
  files: "labels/*{suffix}"
  columns:
    user_id: user
    event_id: event
    label: verdict
    kind: why
    confidence: sure
    observed_at: told
label_delay_days: 0
"""

TRICKS = (
    "'; DROP TABLE user_flag;--", '" OR ""="', "\\'); DELETE FROM label; --", "../../etc/passwd", "..", "/dev/null",
    "%s%n%(x)s", "{}{0.__class__}", "${HOME}", "`id`", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\\N",
    "NULL", "None", "nan", "true", "-1", "\ufeffu1", "\u202eu1", "u\u200b1", "ﬁ", "e\u0301", "😀" * 64, "u" * 256,
    "ä" * 256,
)  # fmt: skip
BROKEN = (
    "", " ", "\t", "u\0", "\0", "u\x07", "u\x1b[31m", "u\x7f", "u\x85", "\ud800", "u\udfff", "u" * 257, "x" * 70_000,
    "x" * 140_000, b"\xff\xfe", b"caf\xe9", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", None,
)  # fmt: skip
TIMES = (
    "0000-01-01T00:00:00Z", "0001-01-01", "1969-12-31T23:59:59.999999Z", "2100-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "+262142-12-31T23:59:59Z", "-262143-01-01 00:00:00",
    "2014-02-29", "2014-03-01T24:00:00Z", "2014-03-01T23:59:60Z", "2014-03-01T10:00:00.123456789Z",
    "2014-03-01T10:00:00+14:00", "2014-03-01T10:00:00-23:59", "2014-03-01T10:00:00+99:99", "2014-W09-6", "20140301",
    "1393668000", "1393668000000000000000", "yesterday", "٢٠١٤-03-01",
)  # fmt: skip
NUMBERS = (
    "nan", "inf", "-inf", "1e999", "-1e999", "1e-400", "1,5", "0x10", "1_000", "٣", "9" * 400, "-0", "1e308", "0",
    "2", "--1",
)  # fmt: skip
ODD_TYPES = (True, False, 0, -1, 10**30, 1e308, float("nan"), float("inf"), [], ["a"], {}, {"a": {"b": 1}})
NO_ROWS = (b"x", b",,", b"a;b;c;d;e;f;g", b"\xff\xff", b"null", b"[1,2]", b"{", b"}" * 9, b"\0" * 7, b"z" * 200_000)
FILE_NAMES = ("a", "b", "'; DROP TABLE label;--", "%s{}", "%2F..%2F..%2Fetc", "two\nlines", "-rf", "x" * 210, "ä😀")

KNOWN_CELLS = (*TRICKS, *BROKEN, *TIMES, *NUMBERS, *ODD_TYPES)
ANY_CELL = st.one_of(st.sampled_from(KNOWN_CELLS), st.text(st.characters(exclude_characters='\n"'), max_size=8))


@dataclass
class Drop:
    """A file. lines: what a reader of text should see as a row's first line, by its number; rows: how many it holds.

    Neither is known of a damaged file.
    """

    name: str
    data: bytes
    rows: int | None
    lines: dict[int, bytes] = field(default_factory=dict, repr=False)


def sound_event(rng: random.Random) -> dict[str, object]:
    return {
        "id": f"e{rng.randrange(400)}",
        "user": rng.choice(TRICKS) if rng.random() < 0.1 else f"u{rng.randrange(30)}",
        "at": f"2014-{rng.choice(('02-28', '03-01', '03-02', '03-03'))}T{rng.randrange(24):02}:00:00Z",
        "kind": rng.choice(("view", "cart", "order")),
        "item": rng.choice((*TRICKS[:5], None, "i1", "i2")),
        "price": rng.choice((None, "9.5", "-0", "1e3")),
        "note": rng.choice((None, "fine", "two\nlines", 'a "quoted, word"')),
    }


def sound_label(rng: random.Random) -> dict[str, object]:
    return {
        "user": rng.choice(TRICKS) if rng.random() < 0.1 else f"u{rng.randrange(30)}",
        "event": rng.choice((None, f"e{rng.randrange(9)}")),
        "verdict": rng.choice("01"),
        "why": rng.choice(("bot", "fraud")),
        "sure": rng.choice(("0.5", "1")),
        "told": f"2014-{rng.choice(('02-28', '03-01', '03-02', '03-03'))}T{rng.randrange(24):02}:00:00Z",
    }


SOUND = {"events": (EVENT_NAMES, sound_event), "labels": (LABEL_NAMES, sound_label)}


@st.composite
def drops(draw: st.DrawFn, stream: str, suffix: str) -> list[Drop]:
    """One or two files of a stream, in the format that the suffix names."""
    names = draw(st.lists(st.sampled_from(FILE_NAMES), min_size=1, max_size=2, unique=True))
    return [draw(_drop(stream, f"{name}{suffix}")) for name in names]


@st.composite
def _drop(draw: st.DrawFn, stream: str, name: str) -> Drop:
    columns, _ = SOUND[stream]
    changes = draw(st.lists(st.dictionaries(st.sampled_from(columns), ANY_CELL, min_size=1, max_size=3), max_size=12))
    others = draw(st.lists(st.sampled_from(NO_ROWS), max_size=3))
    mixed = _mix(stream, changes, others, draw(st.integers(0, 2**32)), draw(st.sampled_from((MOST_ROWS, 120, 20, 1))))
    written = _WRITERS[name.removesuffix(".gz").rpartition(".")[2]](columns, mixed)
    drop = Drop(
        name, gzip.compress(written.data) if name.endswith(".gz") else written.data, written.rows, written.lines
    )
    damage = draw(st.sampled_from([*[None] * 12, *_DAMAGES]))
    return Drop(name, _DAMAGES[damage](drop.data), None) if damage else drop


def _mix(stream: str, changes: list[dict], others: list[bytes], seed: int, count: int) -> list[dict | bytes]:
    """So many rows: sound ones, changed ones, some of either once more, and lines that are no rows."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    columns, sound = SOUND[stream]
    rows = []
    for _ in range(count):
        row = sound(rng)
        if rng.random() < 0.3:
            row |= {"note": "fine"} if stream == "events" else {}  # a row that is refused line by line has one line
            row |= rng.choice([{rng.choice(columns): rng.choice(KNOWN_CELLS)}, *changes[-1:], *changes])
        again = [rng.choice(rows)] if rows and rng.random() < 0.1 else []
        rows += [row, *again]
    for line in others:
        rows.insert(rng.randrange(len(rows) + 1), line)
    return rows


def _write_csv(columns: tuple[str, ...], rows: list[dict | bytes]) -> Drop:
    data, lines, held = ",".join(columns).encode() + b"\r\n", {}, 0
    for row in rows:
        written = row if isinstance(row, bytes) else b",".join(_csv_cell(row[name], name) for name in columns)
        lines[data.count(b"\n") + 1] = written.partition(b"\n")[0]
        data += written + b"\n"
        held += 1
    return Drop("", data, held, lines)


def _csv_cell(value: object, name: str) -> bytes:
    if isinstance(value, bytes):
        return value
    text = "" if value is None else str(value)
    if name != "note":
        text = text.replace("\n", " ")  # only a text may hold line breaks
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([text])
    return out.getvalue().removesuffix("\n").encode("utf-8", "surrogatepass") if text else b""


def _write_json(columns: tuple[str, ...], rows: list[dict | bytes]) -> Drop:
    data, lines = b"", {}
    for number, row in enumerate(rows, 1):
        lines[number] = row if isinstance(row, bytes) else _json_line(row)
        data += lines[number] + b"\n"
    return Drop("", data, len(rows), lines)


def _json_line(row: dict[str, object]) -> bytes:
    line = json.dumps(
        {name: f"@{name}@" if isinstance(value, bytes) else value for name, value in row.items()}
    ).encode()
    for name, value in row.items():
        if isinstance(value, bytes):
            line = line.replace(f"@{name}@".encode(), value)
    return line


def _write_parquet(columns: tuple[str, ...], rows: list[dict | bytes]) -> Drop:
    kept = [row for row in rows if isinstance(row, dict)]
    table = pa.table({name: _parquet_column([row[name] for row in kept]) for name in columns})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=100)
    return Drop("", out.getvalue(), len(kept))


def _parquet_column(values: list[object]) -> pa.Array:
    def stored(value: object) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        return str(value).encode("utf-8", "surrogatepass")

    found = pa.array([stored(value) for value in values], pa.binary())
    try:
        return found.cast(pa.string())
    except pa.ArrowInvalid:
        return found


_WRITERS = {"csv": _write_csv, "jsonl": _write_json, "parquet": _write_parquet}
_DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "end lost": lambda data: data[:-3],
    "empty": lambda data: b"",
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode("latin-1").encode("utf-16"),
    "a byte changed": lambda data: data[: len(data) // 3] + b"\xb5" + data[len(data) // 3 + 1 :],
    "zeros at the end": lambda data: data + bytes(512),
    "twice": lambda data: data + data,
    "old Mac's line ends": lambda data: data.replace(b"\n", b"\r"),
    "column renamed": lambda data: data.replace(b"user", b"usre"),
    "column twice": lambda data: data.replace(b"user", b"kind"),
    "something else": lambda data: b"\x7fELF\x02\x01\x01" + bytes(64),
}
