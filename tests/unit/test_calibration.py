"""Probabilities mean what they say and keep the ranking; a threshold keeps its promise or is refused."""

import numpy as np
import pytest

from ml.calibration.probability import NothingToCalibrate, ProbabilityCalibration, fit_probability
from ml.calibration.threshold import Policy, ThresholdUnreachable, choose_threshold, propose_candidates

POLICY = Policy(precision_floor=0.8, confidence=0.95, alert_budget=0.2)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draw(users, seed, slope=1.0, level=0.0):
    """Logits, and labels whose true probability is sigmoid(slope * logit + level)."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 3, users)
    return logits, (random.random(users) < sigmoid(slope * logits + level)).astype(int)


@pytest.mark.parametrize(("slope", "level"), [(1.0, 0.0), (0.4, -1.0), (2.0, 1.0)])
def test_probabilities_are_close_to_the_truth_even_where_the_model_is_too_sure_or_too_shy(slope, level):
    calibration = fit_probability(*draw(8000, 1, slope, level))
    grid = np.linspace(-6, 6, 25)
    assert np.abs(calibration.probability(grid) - sigmoid(slope * grid + level)).max() < 0.04


def test_calibration_never_changes_a_ranking():
    logits, labels = draw(500, 2, 0.3)
    probability = fit_probability(logits, labels).probability(np.sort(logits))
    assert (np.diff(probability) > 0).all()
    assert ((probability > 0) & (probability < 1)).all()


def test_a_separable_slice_gives_finite_probabilities():
    logits = np.r_[np.linspace(-4, -1, 40), np.linspace(1, 4, 40)]
    calibration = fit_probability(logits, (logits > 0).astype(int))
    assert np.isfinite(calibration.probability(np.array([-1e3, 0.0, 1e3]))).all()


def test_a_handful_of_anomalous_users_still_sets_the_level():
    logits, labels = np.linspace(-3, 3, 200), np.zeros(200, int)
    labels[-4:] = 1
    assert fit_probability(logits, labels).probability(logits).mean() == pytest.approx(4 / 200, rel=1e-3)


@pytest.mark.parametrize("labels", [np.zeros(50, int), np.ones(50, int)])
def test_one_class_alone_cannot_be_calibrated(labels):
    with pytest.raises(NothingToCalibrate, match="rows=50"):
        fit_probability(np.linspace(-1, 1, 50), labels)


def test_a_model_that_ranks_backwards_is_refused():
    logits, labels = draw(2000, 3, slope=-1.0)
    with pytest.raises(NothingToCalibrate):
        fit_probability(logits, labels)


def test_a_saved_calibration_says_the_same(tmp_path):
    logits, labels = draw(500, 4)
    calibration = fit_probability(logits, labels)
    calibration.save(tmp_path / "calibration.json")
    assert ProbabilityCalibration.load(tmp_path / "calibration.json") == calibration


def test_the_lowest_threshold_that_keeps_the_promise_is_chosen():
    scores, labels = draw(4000, 5)
    scores = sigmoid(scores)
    choice = choose_threshold(scores, labels, propose_candidates(scores, POLICY.alert_budget), POLICY)
    assert choice.chosen.lower_bound >= POLICY.precision_floor
    assert choice.chosen.flagged_share <= POLICY.alert_budget
    assert all(
        one.value >= choice.chosen.value or one.lower_bound < 0.8 or one.flagged_share > 0.2 for one in choice.tried
    )


def test_an_unreachable_floor_says_how_far_off_it_is():
    random = np.random.default_rng(6)
    scores, labels = random.random(500), (random.random(500) < 0.3).astype(int)
    with pytest.raises(ThresholdUnreachable, match=r"required=0\.8 .*best_precision=0\.\d+.*champion's flags stay"):
        choose_threshold(scores, labels, propose_candidates(scores, 0.2), POLICY)


def test_few_flags_prove_nothing_however_precise_they_are():
    scores, labels = np.r_[np.full(5, 0.9), np.full(95, 0.1)], np.r_[np.ones(5, int), np.zeros(95, int)]
    with pytest.raises(ThresholdUnreachable):
        choose_threshold(scores, labels, np.array([0.5]), POLICY)


def test_the_promise_is_broken_in_at_most_five_of_a_hundred_slices():
    """True precision at every candidate is known here, so a broken promise can be counted."""
    candidates = np.array([0.5, 0.6, 0.7, 0.75])
    precise = {value: (value + 1) / 2 for value in candidates}  # of uniform, perfectly calibrated scores
    broken = chosen = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        scores = random.random(400)
        labels = (random.random(400) < scores).astype(int)
        try:
            value = choose_threshold(scores, labels, candidates, Policy(0.8, 0.95, 0.6)).chosen.value
        except ThresholdUnreachable:
            continue
        chosen += 1
        broken += precise[value] < 0.8
    assert chosen > 30
    assert broken <= 15


def test_a_saved_threshold_names_its_guarantee_and_what_it_rests_on():
    scores, labels = draw(4000, 7)
    scores = sigmoid(scores)
    choice = choose_threshold(scores, labels, propose_candidates(scores, 0.2), POLICY)
    record = choice.record("2014-03-01T00:00:00+00:00")
    assert record["guarantee"] == "precision >= 0.8"
    assert record["confidence"] == 0.95
    assert record["calibration_data"]["users"] == 4000
