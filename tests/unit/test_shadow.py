"""The days of a challenger in the champion's shadow, the rows it leaves, and where the two agree."""

from pathlib import Path

import pyarrow as pa
import pytest

from ml.contracts.flags import FLAG_SCHEMA, Threshold
from ml.contracts.intervals import Interval, parse_time
from ml.contracts.model_version import ModelVersion
from ml.evaluation.agreement import Agreement
from ml.flags.shadow import shadow_rows
from ml.scoring.first_days import FirstDays
from ml.scoring.score_lake import Plan, ScoreLake
from tests.flag_rows import THRESHOLD, day, flags_of, run_of
from tests.score_rows import score_rows

CANDIDATE = ModelVersion("trailguard-candidates", "4")
CHALLENGER: Threshold = THRESHOLD.handed_to(CANDIDATE)


@pytest.mark.parametrize("as_of", ["2014-03-01", "2014-02-28T00:00:01Z", "2014-02-28T23:59:59.999999Z"])
def test_the_shadow_period_is_the_first_whole_days_after_what_the_challenger_learned_from(as_of: str):
    period = FirstDays(parse_time(as_of), 2)
    assert list(period) == [day(0), day(1)]
    assert [interval in period for interval in (day(-1), day(0), day(1), day(2))] == [False, True, True, False]


def test_without_days_nothing_is_in_the_shadow():
    period = FirstDays(day(0).start, 0)
    assert list(period) == []
    assert day(0) not in period


def test_only_users_whom_the_champion_scored_below_its_threshold_get_a_shadow_row():
    run = run_of(day(0), 4)
    flagged = flags_of(run, {"ann": 0.9, "bob": 0.8, "cem": 0.7}, model_version="4")
    rows = shadow_rows(flagged, pa.table({"user_id": ["bob", "dora"], "score": [0.1, 0.2]}))
    assert rows.schema == FLAG_SCHEMA
    assert [(row["user_id"], row["state"], row["score"], row["model_version"]) for row in rows.to_pylist()] == [
        ("bob", "shadow", 0.8, "4")
    ]


def write(lake: ScoreLake, interval: Interval, model: ModelVersion, scores: dict[str, float]) -> None:
    lake.write_plan(interval, Plan(*model, users=len(scores), of=1))
    lake.write_shard(interval, model, (0, 1), score_rows(**scores), 0.1)
    run = run_of(interval, len(scores), model.version)
    flagged = {user: score for user, score in scores.items() if score >= THRESHOLD.value}
    lake.write_flags(interval, model, flags_of(run, flagged))


@pytest.fixture
def agreement(tmp_path: Path) -> Agreement:
    lake, runs = ScoreLake(tmp_path), [run_of(day(number), 4) for number in range(2)]
    for run, theirs in zip(runs, ({"ann": 0.8, "bob": 0.6, "cem": 0.2}, {"ann": 0.7, "eve": 0.1}), strict=True):
        write(lake, run.interval, run.model, {"ann": 0.9, "bob": 0.2, "cem": 0.7, "dora": 0.1})
        write(lake, run.interval, CANDIDATE, theirs)
    return Agreement.of(lake, runs, CHALLENGER, pa.array(["ann", "bob"]))


def test_who_was_flagged_by_both_or_by_one_alone_is_counted_by_day_among_those_whom_both_scored(agreement: Agreement):
    found = agreement.figures()
    counted = ["users", "both", "both, anomalous", "champion alone", "challenger alone", "challenger alone, anomalous"]
    assert found.loc["2014-03-01", counted].tolist() == [3, 1, 1, 1, 1, 1]
    assert found.loc["2014-03-02", counted].tolist() == [1, 1, 1, 0, 0, 0]
    assert found.loc["all", counted].tolist() == [4, 2, 2, 1, 1, 1]
    assert found.loc["2014-03-01", "kappa"] == pytest.approx(-0.5)
    assert found.loc["2014-03-01", "rank correlation"] == pytest.approx(0.5)


def test_the_report_is_a_table_and_a_picture_and_names_no_user(agreement: Agreement, tmp_path: Path):
    agreement.write(tmp_path / "report")
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "agreement.json", "agreement.md", "agreement.png",
    }  # fmt: skip
    told = (tmp_path / "report" / "agreement.md").read_text()
    assert "| 2014-03-01 | 3 | 1 (1) | 1 (0) | 1 (1) | -0.500 | 0.500 |" in told
    assert "Candidate **4** (threshold 0.500)" in told
    for user in ("ann", "bob", "cem", "dora", "eve"):
        assert user not in told + (tmp_path / "report" / "agreement.json").read_text()
