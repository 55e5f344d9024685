"""A batch that meets its suite passes; one that breaks it is named, expectation by expectation, and kept as a page."""

import json
from datetime import timedelta

import pandas as pd
import pytest

from expectations.accounting import accounting_suite
from expectations.events import events_suite
from expectations.labels import labels_suite
from expectations.runner import ExpectationsFailed, run_suite
from expectations.scores import ENOUGH, scores_suite
from ml.contracts.events import EVENT_SCHEMA
from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA
from ml.contracts.scores import SCORE_SCHEMA

DAY = Interval.parse("2014-03-01", "2014-03-02")


@pytest.fixture
def run(tmp_path):
    def run_in_folder(suite, rows):
        return run_suite(suite, rows, batch="ds=2014-03-01", validations=tmp_path / "results", docs=tmp_path / "docs")

    return run_in_folder


def events(**changed):
    columns = {
        "event_id": ["e1", "e2"],
        "user_id": ["u1", "u1"],
        "event_time": pd.to_datetime([DAY.start, DAY.start + timedelta(hours=5)]),
        "event_type": ["view", "order"],
        "item_id": ["i1", None],
        "session_id": [None, None],
        "amount": [None, 3.5],
        "channel": ["web", None],
        "ds": ["2014-03-01", "2014-03-01"],
    }
    return pd.DataFrame(columns | changed)


def scores(**changed):
    columns = {
        "user_id": ["u1", "u2"],
        "interval_start": DAY.start,
        "interval_end": DAY.end,
        "evidence": ["sufficient", "sufficient"],
        "logit": [0.5, -1.0],
        "score": [0.6, 0.2],
        "events": [3, 64],
        "last_event_time": DAY.start,
        "model_name": "trailguard",
        "model_version": "1",
    }
    return pd.DataFrame(columns | changed)


def suite_of_two():
    return scores_suite(DAY, users=2, scored=2, window=64)


def labels(**changed):
    columns = {
        "user_id": ["u1"],
        "event_id": [None],
        "label": [1],
        "kind": ["bot"],
        "source": ["review"],
        "confidence": [1.0],
        "observed_at": pd.to_datetime([DAY.start]),
    }
    return pd.DataFrame(columns | changed)


def test_sound_events_labels_and_scores_pass(run):
    assert not run(events_suite(EVENT_SCHEMA.names, DAY), events()).failed
    assert not run(labels_suite(DAY), labels()).failed
    assert not run(suite_of_two(), scores()).failed


@pytest.mark.parametrize(
    ("broken", "expectation"),
    [
        ({"event_id": ["e1", "e1"]}, "expect_compound_columns_to_be_unique"),
        ({"user_id": ["u1", None]}, "expect_column_values_to_not_be_null"),
        ({"event_type": ["view", ""]}, "expect_column_value_lengths_to_be_between"),
        ({"event_time": pd.to_datetime([DAY.start, DAY.end])}, "expect_column_values_to_be_between"),
    ],
)
def test_events_that_break_an_expectation_are_refused_by_its_name(run, broken, expectation):
    with pytest.raises(ExpectationsFailed, match=expectation):
        run(events_suite(EVENT_SCHEMA.names, DAY), events(**broken)).require()


def test_an_empty_partition_is_refused(run):
    with pytest.raises(ExpectationsFailed, match="expect_table_row_count_to_be_between"):
        run(events_suite(EVENT_SCHEMA.names, DAY), events().head(0)).require()


def test_a_day_on_which_nothing_was_learned_is_a_sound_batch_of_labels(run):
    rows = LABEL_SCHEMA.empty_table().to_pandas()
    assert run(labels_suite(DAY), rows).evaluated > 5
    assert not run(labels_suite(DAY), rows).failed


@pytest.mark.parametrize("broken", [{"label": [2]}, {"confidence": [0.0]}, {"observed_at": pd.to_datetime([DAY.end])}])
def test_labels_outside_their_contract_are_refused(run, broken):
    assert len(run(labels_suite(DAY), labels(**broken)).failed) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"score": [0.6, 1.2]},
        {"user_id": ["u1", "u1"]},
        {"events": [3, 65]},
        {"last_event_time": DAY.end},
        {"model_version": ["1", "2"]},
    ],
)
def test_scores_that_no_sound_model_gives_are_refused(run, broken):
    assert run(suite_of_two(), scores(**broken)).failed


def test_a_shard_that_is_missing_is_noticed_by_the_number_of_users(run):
    assert "expect_table_row_count_to_equal" in run(scores_suite(DAY, users=3, scored=2, window=64), scores()).failed[0]


def test_a_model_that_says_the_same_of_everyone_is_refused(run):
    everyone = pd.concat([scores(logit=[0.0, 0.0])] * 20, ignore_index=True)
    everyone["user_id"] = [f"u{index}" for index in range(40)]
    assert run(scores_suite(DAY, users=40, scored=40, window=64), everyone).failed
    assert not run(scores_suite(DAY, users=40, scored=ENOUGH - 1, window=64), everyone).failed


def day_of_trails(*evidence: str):
    """One user for each."""
    judged = [one == "sufficient" for one in evidence]
    users = [f"u{index}" for index in range(len(evidence))]
    values = [float(index) / len(evidence) if one else None for index, one in enumerate(judged)]
    given = {"evidence": evidence, "logit": values, "score": values}
    return pd.concat([scores().head(1)] * len(evidence), ignore_index=True).assign(user_id=users, **given)


def test_a_day_on_which_hardly_anyone_did_enough_is_sound(run):
    day = day_of_trails(*["too_short"] * 39, "sufficient")
    assert not run(scores_suite(DAY, users=40, scored=1, window=64), day).failed


@pytest.mark.parametrize(
    "broken",
    [
        {"evidence": ["sufficient", "too_short"]},
        {"logit": [0.5, None]},
        {"score": [0.6, None]},
        {"evidence": ["sufficient", "a hunch"]},
    ],
)
def test_a_score_is_there_exactly_where_there_is_evidence(run, broken):
    assert run(suite_of_two(), scores(**broken)).failed


def test_where_everyone_is_unlike_training_the_events_are_refused_not_the_users(run):
    def failed(unlike: int) -> tuple[str, ...]:
        day = day_of_trails(*["too_unlike"] * unlike, *["sufficient"] * (40 - unlike))
        return run(scores_suite(DAY, users=40, scored=40 - unlike, window=64), day).failed

    assert not failed(4)
    assert "expect_column_values_to_not_be_in_set" in failed(5)[0]


def test_lost_rows_and_too_many_quarantined_ones_are_refused(run):
    row = {"rows_in": 100, "accepted": 90, "duplicate": 0, "quarantined": 10, "unaccounted": 0}
    share = pd.DataFrame([row | {"quarantined_share": 0.1}])
    assert not run(accounting_suite(0.1), share).failed
    assert run(accounting_suite(0.05), share).failed
    lost = pd.DataFrame([row | {"unaccounted": 1, "quarantined_share": 0.0}])
    assert run(accounting_suite(0.05), lost).failed


def test_a_failure_leaves_its_result_and_a_page_that_shows_it(run, tmp_path):
    outcome = run(suite_of_two(), scores(score=[0.6, 1.2]))
    assert json.loads(outcome.result_path.read_text())["success"] is False
    page = outcome.page_path.read_text()
    assert "19 of 20 expectations hold" in page
    assert page.index("expect_column_values_to_be_between") < page.index("expect_column_values_to_be_unique")
    assert "1.2" in page
    assert "http" not in page, "a page loads nothing from a network"
    assert "scores/ds=2014-03-01.html" in (tmp_path / "docs" / "index.html").read_text()


def test_a_page_shows_what_a_stranger_wrote_as_text(run):
    page = run(suite_of_two(), scores(evidence=["<script>", "<script>"])).page_path.read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_neither_result_nor_page_names_a_user(run):
    outcome = run(suite_of_two(), scores(user_id=["C04284602", "C04284602"]))
    assert "expect_column_values_to_be_unique" in outcome.failed[0]
    kept = (outcome.result_path.read_text(), outcome.page_path.read_text(), *outcome.failed)
    assert not [text for text in kept if "C04284602" in text]
    assert json.loads(kept[0])["statistics"]["unsuccessful_expectations"] == 1


def test_every_required_column_of_a_score_is_expected_to_be_there(run):
    for field in SCORE_SCHEMA:
        assert run(suite_of_two(), scores().drop(columns=field.name)).failed, field.name
