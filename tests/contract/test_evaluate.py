"""`python -m ml evaluate` on a stranger's files: nothing but a descriptor, a protocol and a folder."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.trails import staggered_events, staggered_labels

ROOT = Path(__file__).parents[2]
DATASET = """
name: my-shop
events:
  files: events.csv
  columns: {user_id: user_id, event_id: event_id, event_time: event_time, event_type: event_type, item_id: item_id}
  extras: {device: categorical, price: numeric}
labels:
  files: labels.csv
  columns: {user_id: user_id, label: label, kind: kind, observed_at: observed_at}
label_delay_days: 10
"""
PROTOCOL = """
history: {start: 2024-01-01, end: 2024-03-01}
split: {by: user, folds: 2}
window: 8
prefixes: [3, all]
models: [gru]
controls: lightgbm
"""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    for name, table in (("events", staggered_events()), ("labels", staggered_labels())):
        index = table.column_names.index("event_time" if name == "events" else "observed_at")
        written = table.column(index).cast(pa.timestamp("us")).cast(pa.string())
        pyarrow.csv.write_csv(table.set_column(index, table.column_names[index], written), folder / f"{name}.csv")
    (folder / "dataset.yaml").write_text(DATASET)
    (folder / "protocol.yaml").write_text(PROTOCOL)
    arguments = ["--dataset", folder, "--protocol", folder / "protocol.yaml", "--out", folder / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "ml", "evaluate", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / "out" / "printed.txt").write_text(done.stdout)
    (folder / "out" / "told.txt").write_text(done.stderr)
    return folder / "out"


@pytest.fixture(scope="module")
def report(evaluated: Path) -> dict:
    return json.loads((evaluated / "report.json").read_text())


def test_there_is_a_figure_with_its_interval_for_every_model_prefix_and_metric(report: dict):
    found = {(row["model"], row["prefix"]) for row in report["scores"]}
    assert found == {(model, prefix) for model in ("lightgbm", "gru") for prefix in ("3", "all")}
    assert len(report["scores"]) == 4 * 7
    for row in report["scores"]:
        assert set(row) == {"model", "prefix", "metric", "mean", "low", "high"}
        assert 0 <= row["low"] <= row["high"] <= 1


def test_the_baseline_stands_beside_every_model_on_the_same_users(report: dict, evaluated: Path):
    assert {(row["model"], row["baseline"]) for row in report["differences"]} == {("gru", "lightgbm")}
    predictions = pq.read_table(evaluated / "predictions.parquet").to_pylist()
    judged = {
        model: sorted(row["user_id"] for row in predictions if row["model"] == model and row["prefix"] == "all")
        for model in ("lightgbm", "gru")
    }
    assert judged["gru"] == judged["lightgbm"]
    assert len(set(judged["gru"])) == len(judged["gru"]) == 200


def test_a_shop_without_any_signal_is_not_concluded_on_and_its_controls_do_as_well(report: dict):
    assert report["winner"] in (None, "lightgbm")
    assert {row["control"] for row in report["controls"]} == {"length only", "order shuffled", "time removed"}
    assert any(row["as_good"] for row in report["controls"])
    assert any(line.startswith("A control does as well as lightgbm") for line in report["conclusions"])


def test_each_label_has_its_precision_and_recall_at_the_chosen_threshold(report: dict):
    for row in report["classification"]:
        assert {row["report"][label]["support"] for label in ("good", "anomalous")} == {133, 67}


def test_the_page_loads_nothing_and_says_the_conclusions(evaluated: Path, report: dict):
    page = (evaluated / "report.html").read_text()
    assert "src=" not in page
    assert "<link" not in page
    assert page.count("<svg") == 3
    assert report["conclusions"][0][:40] in page


def test_the_last_line_printed_is_the_stages_answer(evaluated: Path, report: dict):
    printed = json.loads((evaluated / "printed.txt").read_text().splitlines()[-1])
    assert printed["scores"] == report["scores"]
    assert printed["winner"] == report["winner"]


def test_on_the_way_it_is_told_what_was_judged_and_how_each_training_goes(evaluated: Path):
    told = (evaluated / "told.txt").read_text()
    assert "fold user-1, seed 0: gru judged" in told
    assert "fold user-0: lightgbm with length only judged" in told
    assert "epoch 1 of" in told
