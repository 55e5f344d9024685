"""Where no bad user is known, a score says how few good users reach it."""

import numpy as np
import pytest

from ml.calibration.good_users import FALSE_POSITIVES, GoodScores

HELD = np.random.default_rng(0).normal(size=199)


def flagged(held: np.ndarray, scores: np.ndarray) -> np.ndarray:
    good = GoodScores.of(held)
    return good.probability(scores) >= good.threshold


def test_the_probability_is_the_share_of_good_users_who_score_lower():
    good = GoodScores.of(np.array([3.0, 1.0, 2.0]))
    assert good.probability(np.array([0.0, 1.5, 2.0, 9.0])).tolist() == [0, 0.25, 0.25, 0.75]


def test_users_who_score_like_good_ones_are_flagged_no_more_often_than_stated():
    rng = np.random.default_rng(1)
    shares = [flagged(rng.normal(size=99), rng.normal(size=500)).mean() for _ in range(200)]
    assert np.mean(shares) == pytest.approx(FALSE_POSITIVES, abs=0.01)


def test_a_higher_score_is_never_less_probable_and_the_unseen_is_flagged():
    scores = np.linspace(-5, 5, 101)
    probability = GoodScores.of(HELD).probability(scores)
    assert np.all(np.diff(probability) >= 0)
    assert 0 <= probability.min() < probability.max() < 1
    assert flagged(HELD, np.array([99.0])).all()


def test_users_whom_the_model_does_not_tell_apart_are_not_flagged():
    assert not flagged(np.zeros(50), np.zeros(10)).any()


def test_too_few_good_users_flag_nobody():
    assert not flagged(HELD[:5], np.array([99.0])).any()
