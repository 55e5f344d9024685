"""Dataset descriptors of any shape, for Hypothesis to draw: a sound one with parts changed, other YAML, other bytes."""

import json
import random

from hypothesis import strategies as st

from tests.bad_input import ODD_TYPES, TRICKS

SOUND: dict = {
    "name": "shop",
    "events": {
        "files": "events/%Y-%m-%d.csv",
        "columns": {
            "event_id": "id",
            "user_id": {"column": "user"},
            "event_time": {"column": "at", "format": "iso8601", "zone": "Europe/Berlin"},
            "event_type": {"column": "kind", "values": {"v": "view"}},
            "amount": "price",
        },
        "extras": {"note": "text", "stars": {"column": "rating", "kind": "numeric"}},
    },
    "labels": {
        "files": "labels/*.csv",
        "columns": {
            "user_id": "user",
            "label": {"column": "verdict", "values": {"-1": 1}},
            "kind": {"value": "fraud"},
            "observed_at": {"column": "told", "format": "%d/%m/%Y %H:%M", "delay_days": 3},
            "confidence": {"value": 0.5},
        },
    },
    "label_delay_days": 7,
    "demo": {"history_start": "2014-01-01", "as_of": "2014-03-01", "score_days": 7, "history_end": "2014-04-01"},
}
WORDS = (
    *TRICKS, *ODD_TYPES, None, "", " ", "a\0b", "\ud800", "x" * 300, "x" * 5000, "9" * 400, "1e999", ".nan", "007",
    "on", "~", "../*.csv", "/etc/*.csv", "%Y/%d.csv", "%Y.csv", "**.csv", "**/*.csv", "[a-z].csv", "a\nb.csv",
    "*.parquet", "*.jsonl.gz", "%Y", "%d/%m/%Y", "%Y-%m-%d %Y", "%s", "%c", "%%%Y%m%d", "%-d/%m/%Y", "%Q", "%",
    "epoch_seconds", "iso8601", "%G-%V-%u", "%Y-%m-%d %Z", "%Y-%j", "%Y-%m-%dT%H:%M:%S%z", "%5f%Y%m%d", "(((%Y%m%d",
    "Europe/Atlantis", "localtime", "right/UTC", "../../etc/localtime", "posixrules", "UTC", "EST5EDT", "0001-01-01",
    "9999-12-31", "2014-02-30", "10000-01-01", "event_id", "user_bucket", "label", "item_users", "categorical",
    "numeric", {"column": "a", "value": "b"}, {"derived": True},
)  # fmt: skip
BYTES = (
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", "name: shöp".encode("utf-16"), "name: ü".encode("latin-1"), b"[" * 5000,
    b"{" * 5000, b"- " * 5000, b"? " * 5000, b"a: &a [*a]", b"&a [&b [*a, *b]]",
    b"name: !!python/object/apply:os.system [id]", b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
    b"<<: {name: a}", b"%YAML 9.9\n---\na: 1", b"a: 1\n---\nb: 2", b'name: "\\U00110000"', b'name: "\\ud800"',
    b"name: \x07", b"a: b\n" * 60_000, b"name: |\n" + b"  x\n" * 9000, b"x" * 300_000,
)  # fmt: skip


def descriptors() -> st.SearchStrategy[bytes]:
    """Mostly whole documents with up to three parts changed, taken away or added."""
    changed = st.builds(_change, st.integers(0, 2**32), st.integers(0, 3), st.text(max_size=6))
    documents = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
        max_leaves=12,
    )
    return st.one_of(changed, changed, changed, documents.map(_write), st.sampled_from(BYTES), st.binary(max_size=80))


def _change(seed: int, times: int, word: str) -> bytes:
    rng, document = random.Random(seed), json.loads(json.dumps(SOUND))  # noqa: S311 (no secret)
    for _ in range(times):
        parent = rng.choice(list(_mappings(document)))
        name = rng.choice([*parent, word or "extra"])
        if rng.random() < 0.2:
            parent.pop(name, None)
        else:
            parent[name] = rng.choice([*WORDS, word])
    return _write(document)


def _mappings(document: dict) -> list[dict]:
    inner = [found for value in document.values() if isinstance(value, dict) for found in _mappings(value)]
    return [document, *inner] if document else inner


def _write(document: object) -> bytes:
    """As JSON, which YAML reads; halves of characters as escapes."""
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document).encode()
