"""The gentlest answer that may help, then a stronger one, and time for each to act."""

from datetime import UTC, datetime, timedelta

import pytest

from ml.monitoring.alert import Alert, AlertKind
from ml.monitoring.ladder import ANSWERS, Action, Decision, decide_action

SHADOW = timedelta(days=1)
DAY_1 = datetime(2026, 6, 1, tzinfo=UTC)
SCORES = Alert(AlertKind.SCORE_DRIFT, "score", "score by 0.3")
KIND = Alert(AlertKind.NEW_KIND, "bot", "6 users of kind bot")
INPUTS = Alert(AlertKind.FEATURE_DRIFT, "pace", "1 of 9 inputs")


def on(day: int) -> datetime:
    return DAY_1 + timedelta(days=day - 1)


def took(action: Action, day: int, *new_kinds: str) -> Decision:
    return Decision(on(day), action, "because", frozenset(new_kinds))


def decide(*alerts: Alert, earlier: list[Decision] | None = None, day: int = 5) -> Decision:
    return decide_action(alerts, earlier or [], at=on(day), shadow=SHADOW)


def test_every_kind_of_alert_has_an_answer():
    assert set(ANSWERS) == set(AlertKind)


def test_without_an_alert_nothing_is_done():
    assert decide() == Decision(on(5), Action.NOTHING, "nothing is wrong")


def test_the_strongest_answer_that_an_alert_asks_for_is_given_with_every_reason():
    decision = decide(SCORES, INPUTS)
    assert decision.action == Action.RETRAIN
    assert decision.reason == "score_drift (score by 0.3); feature_drift (1 of 9 inputs)"


def test_an_answer_is_given_time_to_act():
    decision = decide(SCORES, earlier=[took(Action.RECALIBRATE, 4)])
    assert decision.action == Action.NOTHING
    assert "recalibrate of 2026-06-04 is given time to act" in decision.reason


def test_a_new_version_has_the_days_of_its_shadow_as_well():
    assert decide(KIND, earlier=[took(Action.FINE_TUNE, 3, "bot")]).action == Action.NOTHING
    assert decide(KIND, earlier=[took(Action.FINE_TUNE, 2, "bot")]).action == Action.RETRAIN


def test_a_gentle_answer_under_way_does_not_hold_up_a_stronger_one_to_something_else():
    assert decide(KIND, earlier=[took(Action.RECALIBRATE, 4)]).action == Action.FINE_TUNE
    assert decide(INPUTS, earlier=[took(Action.FINE_TUNE, 4)]).action == Action.RETRAIN
    assert decide(SCORES, earlier=[took(Action.FINE_TUNE, 4)]).action == Action.NOTHING


def test_an_answer_from_before_a_kind_was_known_neither_holds_it_up_nor_counts_as_tried():
    assert decide(KIND, INPUTS, earlier=[took(Action.RETRAIN, 4)]).action == Action.FINE_TUNE
    assert decide(KIND, earlier=[took(Action.FINE_TUNE, 4, "ring")]).action == Action.FINE_TUNE
    assert decide(KIND, INPUTS, earlier=[took(Action.RETRAIN, 4, "bot")]).action == Action.NOTHING


def test_what_did_not_help_is_followed_by_the_next_stronger_answer():
    decision = decide(SCORES, earlier=[took(Action.RECALIBRATE, 3)])
    assert decision.action == Action.FINE_TUNE
    assert "recalibrate of late did not end it" in decision.reason
    decision = decide(SCORES, earlier=[took(Action.RECALIBRATE, 1), took(Action.FINE_TUNE, 2)])
    assert decision.action == Action.RETRAIN
    assert "recalibrate and fine_tune of late did not end it" in decision.reason


@pytest.mark.parametrize("alert", [SCORES, INPUTS])
def test_the_strongest_is_given_again(alert: Alert):
    earlier = [took(Action.RECALIBRATE, 0), took(Action.FINE_TUNE, 1), took(Action.RETRAIN, 2)]
    assert decide(alert, earlier=earlier).action == Action.RETRAIN


def test_what_was_done_long_ago_is_tried_anew():
    assert decide(SCORES, earlier=[took(Action.RECALIBRATE, 3)], day=10).action == Action.RECALIBRATE


def test_what_was_decided_about_later_days_does_not_count():
    assert decide(SCORES, earlier=[took(Action.RECALIBRATE, 6)], day=5).action == Action.RECALIBRATE
