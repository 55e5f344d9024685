"""Probabilities mean what they say and keep the ranking."""

import numpy as np
import pytest

from ml.calibration.probability import NothingToCalibrate, ProbabilityCalibration, fit_probability, sigmoid


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
