"""A benchmark's row says what was measured, and a shorter run replaces only its own rows."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import page, scaling_page
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


def row(name: str, ratio: float, **more: object) -> dict[str, object]:
    facts = asdict(alone(name, [ratio], unit="x"))
    return facts | {"machine": "2 cores", "date": "2000-01-01", "quick": False} | more


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for results.json and docs/benchmarks.md."""
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "benchmarks.md").write_text(f"above\n{page.BEGIN}\nold\n{page.END}\nbelow\n")
    return tmp_path


def test_rows_of_other_groups_are_kept_with_their_own_date(kept: Path):
    (kept / "results.json").write_text(json.dumps([row("a", 7.0), row("b", 0.0)]))
    bench.keep([alone("b", [1.0, 3.0, 2.0], unit="ms")], quick=True)
    told = {row["name"]: row for row in json.loads((kept / "results.json").read_text())}
    assert told["a"] == row("a", 7.0)
    assert (told["b"]["ours"], told["b"]["peer"], told["b"]["ratio"], told["b"]["quick"]) == (2.0, None, 2.0, True)


def test_the_page_shows_every_row_and_keeps_the_text_around_them(kept: Path):
    page.write_page([row("publish_vs_copy", 0.9), row("read_flag_ms", 0.2, quick=True), row("other", 5.0)])
    text = (kept / "benchmarks.md").read_text()
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "old" not in text
    assert "| publish_vs_copy | 0.9 |  | x | 0.9 | 0.9 to 0.9 | ≥ 0.8 | 2 cores, 2000-01-01 |" in text
    assert "| ≤ 1 | 2 cores, 2000-01-01, quick |" in text
    assert "| other | 5 |" in text


def test_charts_are_drawn_of_what_was_measured(kept: Path):
    sizes = [(f"{name}_{size}m", value) for size in (1, 10) for name, value in (("score_lake", 9), ("peak_rss_gib", 1))]
    page.write_page([row("publish_vs_copy", 0.9), *(row(name, value) for name, value in sizes)])
    for name in ("ratios", "growth"):
        assert (kept / f"benchmarks-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_scaling_curve_is_a_table_and_a_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scaling_page, "DOCS", tmp_path)
    (tmp_path / "scaling.md").write_text(f"above\n{scaling_page.BEGIN}\nold\n{scaling_page.END}\nbelow\n")
    score = {"mean": 0.95, "low": 0.94, "high": 0.96}
    rows = [
        {"size": size, "share": share, "prefix": prefix, "weights": weights, "users": round(5000 * share), "epochs": 7,
         "roc_auc": score, "average_precision": score | {"mean": 0.9}}
        for size, weights in (("small", 95_193), ("medium", 989_385)) for share in (0.1, 1.0) for prefix in ("5", "all")
    ]  # fmt: skip
    scaling_page.write_page(rows, architecture="gru", machine="2 cores")
    text = (tmp_path / "scaling.md").read_text()
    assert (text.startswith("above\n"), text.endswith("below\n"), "\nold\n" in text) == (True, True, False)
    assert text.count("\n| 9") == 4
    figures = "0.9500 (0.9400 to 0.9600) | 0.9500 (0.9400 to 0.9600) | 0.9000 (0.9400 to 0.9600)"
    assert f"| 95,193 | 0.1 | 500 | 7 | {figures}" in text
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
