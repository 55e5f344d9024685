"""What counts as drift of inputs, scores and labels, and what does not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.labels import LABEL_SCHEMA
from ml.monitoring.alert import Alert, AlertKind
from ml.monitoring.day import Day
from ml.monitoring.drift import find_drift, find_usual, ks, total_variation
from ml.monitoring.labels import find_label_drift

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
AT = AS_OF + timedelta(days=14)


def draw(seed: int, *, pace: float = 0.0, phones: float = 0.5, score: float = 2.0, users: int = 600) -> Day:
    rng = np.random.default_rng(seed)
    return Day(
        {"pace": rng.normal(pace, 1, users), "amount": rng.normal(0, 1, users)},
        {"device": rng.choice([2, 3], users, p=[1 - phones, phones])},
        rng.beta(1, score, users),
    )


REFERENCE = [draw(seed) for seed in range(7)]


def kinds(alerts: list[Alert]) -> set[AlertKind]:
    return {alert.kind for alert in alerts}


@pytest.mark.parametrize("seed", range(100, 120))
def test_a_day_like_the_others_raises_no_alert(seed: int):
    assert find_drift(REFERENCE, draw(seed)) == []


def test_an_input_that_moves_is_named_with_its_distance():
    (alert,) = find_drift(REFERENCE, draw(1, pace=0.6))
    assert (alert.kind, alert.subject) == (AlertKind.FEATURE_DRIFT, "pace")
    assert alert.told.startswith("1 of 3 inputs: pace by 0.2")


def test_codes_are_compared_by_their_shares():
    (alert,) = find_drift(REFERENCE, draw(1, phones=0.8))
    assert alert.subject == "device"


def test_scores_may_drift_while_inputs_do_not():
    assert kinds(find_drift(REFERENCE, draw(1, score=1.0))) == {AlertKind.SCORE_DRIFT}


def test_days_that_differ_among_themselves_are_not_alarmed_at_by_one_more_of_their_kind():
    weekdays = [draw(seed, pace=0.5 * (seed % 2)) for seed in range(8)]
    assert find_drift(weekdays, draw(50, pace=0.5)) == []
    assert find_drift(REFERENCE, draw(50, pace=0.5)) != []


def test_what_drifted_in_the_first_week_is_no_reference_for_the_days_after():
    changed = {f"changed {seed}": draw(seed, phones=0.8) for seed in (7, 8)}
    first_week = {f"day {number}": day for number, day in enumerate(REFERENCE[:3])} | changed
    usual = find_usual(first_week)
    assert list(usual) == ["day 0", "day 1", "day 2"]
    assert find_drift(list(usual.values()), draw(9, phones=0.8)) != []
    assert find_drift(list(first_week.values()), draw(9, phones=0.8)) == []


def test_the_first_days_are_usual_whatever_they_are():
    assert list(find_usual({"monday": draw(1), "tuesday": draw(2, pace=3.0)})) == ["monday", "tuesday"]


def test_without_days_to_compare_with_nothing_is_said():
    assert find_drift(REFERENCE[:1], draw(1, pace=3.0)) == []


def test_distances_are_0_between_equals_and_1_between_strangers():
    assert ks(np.arange(5.0), np.arange(5.0)) == 0
    assert ks(np.zeros(5), np.ones(5)) == 1
    assert total_variation(np.array([1, 2]), np.array([2, 1, 1, 2])) == 0
    assert total_variation(np.array([1]), np.array([2])) == 1
    assert total_variation(np.array([], int), np.array([2])) == 0


def labels(**counts: int) -> pa.Table:
    """Anomalous users of each kind: k of those that end in _late in the last week, the others in the 60 days before
    training."""
    rows = []
    for name, count in counts.items():
        kind, _, late = name.partition("_late")
        first, span = (AT - timedelta(days=7), 7) if name.endswith("late") else (AS_OF - timedelta(days=60), 60)
        rows += [
            {
                "user_id": f"{name}-{n}",
                "event_id": None,
                "label": 1,
                "kind": kind + late,
                "source": "moderators",
                "confidence": 1.0,
                "observed_at": first + timedelta(days=span * n / count),
            }
            for n in range(count)
        ]
    return pa.Table.from_pylist(rows, schema=LABEL_SCHEMA)


def found(**counts: int) -> list[tuple[str, str]]:
    alerts = find_label_drift(labels(**counts), trained_as_of=AS_OF, at=AT)
    return [(alert.kind, alert.subject) for alert in alerts]


def test_labels_that_come_as_before_raise_no_alert():
    assert found(bot=240, fraud=120, bot_late=26, fraud_late=15) == []


def test_a_kind_that_training_did_not_know_is_named_once_some_users_have_it():
    assert found(bot=240, bot_late=26, review_ring_late=4) == []
    assert found(bot=240, bot_late=26, review_ring_late=5) == [(AlertKind.NEW_KIND, "review_ring")]


def test_labels_that_stop_coming_or_flood_are_told():
    assert found(bot=240, bot_late=2) == [(AlertKind.LABEL_DRIFT, "rate")]
    assert found(bot=240, bot_late=90) == [(AlertKind.LABEL_DRIFT, "rate")]


def test_kinds_that_change_places_are_told():
    assert found(bot=240, fraud=120, bot_late=8, fraud_late=33) == [(AlertKind.LABEL_DRIFT, "kinds")]


def test_kinds_that_change_places_are_told_beside_what_was_usual_of_known_kinds():
    _, alert = find_label_drift(
        labels(bot=240, fraud=120, bot_late=8, fraud_late=33, ring_late=9), trained_as_of=AS_OF, at=AT
    )
    assert alert.told == "kinds have changed places by 47%: fraud 33 of 41, 13.7 were usual"


def test_where_training_knew_no_label_nothing_is_compared():
    assert found(bot_late=30) == []
