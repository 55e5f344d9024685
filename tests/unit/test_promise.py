"""A promise is watched every day without raising false alarms, and found broken when it is."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import beta

from ml.monitoring.alert import AlertKind
from ml.monitoring.precision import log_evidence, precision_bounds, watch
from ml.monitoring.promise import watch_budget, watch_precision
from tests.flag_rows import THRESHOLD
from tests.score_rows import score_rows

PROMISE = {"policy": {"precision_floor": 0.5}}


def test_the_evidence_is_the_averaged_likelihood_ratio():
    """Against numerical integration over precisions below the floor."""
    anomalous, floor = np.array([1, 0, 0, 1, 0, 0, 0]), 0.6
    grid = (np.arange(200_000) + 0.5) / 200_000 * floor
    hits, misses = anomalous.sum(), len(anomalous) - anomalous.sum()
    ratio = np.mean((grid / floor) ** hits * ((1 - grid) / (1 - floor)) ** misses)
    assert np.exp(log_evidence(anomalous, floor)[-1]) == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize("precision", [0.8, 0.9])
def test_a_promise_that_is_kept_is_called_broken_in_at_most_the_risk_however_often_one_looks(precision: float):
    rng = np.random.default_rng(1)
    broken = [watch(rng.random(400) < precision, floor=0.8, confidence=0.95).broken for _ in range(400)]
    assert np.mean(broken) <= 0.05


def test_a_broken_promise_is_found():
    rng = np.random.default_rng(2)
    broken = [watch(rng.random(200) < 0.6, floor=0.8, confidence=0.95).broken for _ in range(50)]
    assert np.mean(broken) > 0.95


def test_the_bounds_hold_at_every_moment_at_once():
    rng, missed = np.random.default_rng(3), 0
    for _ in range(100):
        hits = np.cumsum(rng.random(150) < 0.7)
        bounds = [precision_bounds(int(h), n - int(h), 0.95) for n, h in enumerate(hits, start=1)]
        missed += any(not low <= 0.7 <= high for low, high in bounds)
    assert missed / 100 <= 0.05


def test_looking_at_every_moment_costs_some_width_beside_looking_once():
    low, high = precision_bounds(90, 10, 0.95)
    once_low, once_high = beta.ppf([0.025, 0.975], [90, 91], [11, 10])  # Clopper and Pearson
    assert low < once_low < 0.9 < once_high < high < 1
    assert precision_bounds(0, 0, 0.95) == (0.0, 1.0)
    assert precision_bounds(5, 0, 0.95)[1] == 1.0
    assert precision_bounds(0, 5, 0.95)[0] == 0.0


def flagged(good: int, bad: int, held_out: int = 0) -> pa.Table:
    users = [f"bad-{n}" for n in range(bad)] + [f"good-{n}" for n in range(good)]
    outside = [n < held_out for n in range(len(users))]
    return pa.table({"user_id": pa.array(users, pa.string()), "held_out": pa.array(outside, pa.bool_())})


def test_an_alert_tells_what_was_promised_and_what_is_known():
    threshold = THRESHOLD.__class__(**vars(THRESHOLD) | {"calibration_data": PROMISE})
    anomalous = pa.array([f"bad-{n}" for n in range(10)])
    watched, (alert,) = watch_precision(flagged(good=30, bad=10, held_out=3), anomalous, threshold)
    assert (alert.kind, alert.subject) == (AlertKind.PROMISE_BROKEN, THRESHOLD.threshold_id)
    assert "10 of 40 flagged users" in alert.told
    assert "0.5 was promised" in alert.told
    assert (watched["held_out"].flagged, watched["held_out"].anomalous) == (3, 3)
    kept, alerts = watch_precision(flagged(good=2, bad=10), anomalous, threshold)
    assert alerts == []
    assert kept["all"].precision == pytest.approx(10 / 12)
    assert watch_precision(flagged(0, 0), anomalous, threshold)[0]["all"].precision is None


def test_more_users_at_the_threshold_than_the_budget_allows_are_told():
    scores = score_rows(ann=0.9, bob=0.6, cem=0.2, dora=0.1)
    assert watch_budget(scores, THRESHOLD, 0.5) == []
    (alert,) = watch_budget(scores, THRESHOLD, 0.4)
    assert alert.kind == AlertKind.OVER_BUDGET
    assert alert.told.startswith("2 of 4 scored users")
