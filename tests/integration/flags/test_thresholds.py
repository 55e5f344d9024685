"""Every answer to the question for a threshold is kept, and one of them acts at each moment."""

from dataclasses import replace

import pytest

from ml.contracts.flags import Threshold
from ml.flags.refused import FlagsRefused
from ml.flags.thresholds import ThresholdAbsent, ThresholdChanged, ThresholdStore
from tests.flag_rows import THRESHOLD, day
from tests.integration.flags.shop import Shop


@pytest.fixture
def thresholds(shop: Shop) -> ThresholdStore:
    return ThresholdStore(shop.writer)


def chosen(version: str, number: int, name: str = "", **changed: object) -> Threshold:
    """Valid from a day on; of a version of its own, since nothing is ever deleted."""
    facts = {"threshold_id": f"{version}-{number}{name}", "model_version": version, "valid_from": day(number).start}
    return replace(THRESHOLD, **facts | changed)


def record(thresholds: ThresholdStore, *given: Threshold) -> None:
    for threshold in given:
        thresholds.record(threshold)


def acting(thresholds: ThresholdStore, version: str, number: int) -> str:
    return thresholds.acting("trailguard", version, day(number).start).threshold_id


def test_a_recorded_threshold_is_found_as_it_was_and_never_changes(thresholds: ThresholdStore):
    thresholds.record(THRESHOLD)
    assert thresholds.find("trailguard-1") == THRESHOLD
    with pytest.raises(ThresholdChanged, match="trailguard-1"):
        thresholds.record(replace(THRESHOLD, value=0.6))


def test_the_threshold_that_acts_is_the_newest_that_is_valid_in_whatever_order_they_came(thresholds: ThresholdStore):
    record(thresholds, chosen("late", 5), chosen("late", 1), chosen("late", 3))
    assert [acting(thresholds, "late", number) for number in (1, 2, 3, 4, 5, 9)] == [
        "late-1",
        "late-1",
        "late-3",
        "late-3",
        "late-5",
        "late-5",
    ]


def test_an_interval_before_all_of_them_is_judged_by_the_first(thresholds: ThresholdStore):
    record(thresholds, chosen("backfilled", 7), chosen("backfilled", 5))
    assert acting(thresholds, "backfilled", 0) == "backfilled-5"


def test_of_two_that_are_valid_from_the_same_day_the_one_chosen_last_acts(thresholds: ThresholdStore):
    record(thresholds, chosen("twice", 1, "strict"), chosen("twice", 1, "mild"))
    assert acting(thresholds, "twice", 2) == "twice-1mild"


def test_an_answer_that_there_is_none_is_the_newest_but_leaves_the_one_before_in_force(thresholds: ThresholdStore):
    none = chosen("drifted", 4, value=None, shortfall="too few labels", dag_run_id="run-7")
    record(thresholds, chosen("drifted", 1), none)
    assert acting(thresholds, "drifted", 6) == "drifted-1"
    assert thresholds.newest("trailguard", "drifted") == none


def test_a_version_without_any_threshold_cannot_act(thresholds: ThresholdStore):
    record(thresholds, chosen("hopeless", 1, value=None, shortfall="too few labels"))
    with pytest.raises(ThresholdAbsent, match="version=hopeless"):
        acting(thresholds, "hopeless", 2)
    with pytest.raises(ThresholdAbsent, match="Run choose_threshold"):
        thresholds.newest("trailguard", "unheard-of")
    with pytest.raises(ThresholdAbsent, match="threshold_id=nobody"):
        thresholds.find("nobody")


@pytest.mark.parametrize("changed", [{"value": None}, {"shortfall": "though there is one"}])
def test_there_is_either_a_value_or_a_reason_why_not(thresholds: ThresholdStore, changed: dict):
    with pytest.raises(FlagsRefused, match="a_shortfall_explains_a_missing_value"):
        thresholds.record(chosen("odd", 1, **changed))
