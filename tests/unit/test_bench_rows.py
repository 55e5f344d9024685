"""A benchmark's row says what was measured, and a shorter run replaces only its own rows."""

import json
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.rows import alone, compare


def test_ours_and_the_peer_take_turns_and_the_spread_is_that_of_their_ratios():
    calls, mine, theirs = [], iter([10.0, 30.0, 20.0]), iter([5.0, 10.0, 4.0])

    def ours() -> float:
        calls.append("ours")
        return next(mine)

    def peer() -> float:
        calls.append("peer")
        return next(theirs)

    row = compare("a", ours, peer, unit="rows/s", repetitions=3)
    assert calls == ["ours", "peer"] * 3
    assert (row.ours, row.peer) == (20.0, 5.0)
    assert (row.low, row.ratio, row.high) == (2.0, 3.0, 5.0)


def test_rows_of_other_groups_are_kept_with_their_own_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    (tmp_path / "results.json").write_text(json.dumps([{"name": "a", "date": "2000-01-01"}, {"name": "b", "ratio": 0}]))
    bench.keep([alone("b", [1.0, 3.0, 2.0], unit="ms")], quick=True)
    kept = {row["name"]: row for row in json.loads((tmp_path / "results.json").read_text())}
    assert kept["a"] == {"name": "a", "date": "2000-01-01"}
    assert (kept["b"]["ours"], kept["b"]["peer"], kept["b"]["ratio"], kept["b"]["quick"]) == (2.0, None, 2.0, True)
