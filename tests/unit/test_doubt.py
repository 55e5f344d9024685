"""Labels that may be wrong are believed as far as others' opinion allows."""

import numpy as np
import pytest

from ml.training.doubt import believe, see_through, share_wrong


def noisy(users: int = 4000, wrong: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is true, opinions that mostly are right, and labels of which some are wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, users)
    opinions = 1 / (1 + np.exp(-(2 * truth - 1) * 2 - rng.normal(size=users)))
    return truth, opinions, np.where(rng.random(users) < wrong, 1 - truth, truth)


def test_beliefs_are_nearer_the_truth_than_labels_and_than_opinions():
    truth, opinions, labels = noisy()
    error = np.abs(believe(opinions, labels, 0.2) - truth).mean()
    assert error < np.abs(labels - truth).mean()
    assert error < np.abs(opinions - truth).mean()


def test_where_an_opinion_is_undecided_the_label_decides():
    good, anomalous = believe(np.array([0.5, 0.5]), np.array([0, 1]), 0.2)
    assert (good, anomalous) == (pytest.approx(0.2), pytest.approx(0.8))


def test_labels_that_opinions_bear_out_are_kept():
    truth, _, _ = noisy(wrong=0.0)
    assert share_wrong(truth.astype(float), truth) == 0
    np.testing.assert_allclose(believe(truth.astype(float), truth, 0.0), truth, atol=1e-5)


def test_a_contradicted_label_counts_less_the_more_labels_are_wrong():
    opinions, labels = np.array([0.1]), np.array([1])
    assert believe(opinions, labels, 0.4) < believe(opinions, labels, 0.05)


@pytest.mark.parametrize("wrong", [0.05, 0.2, 0.35])
def test_the_share_of_wrong_labels_is_found_from_what_contradicts_them(wrong: float):
    truth, _, labels = noisy(wrong=wrong)
    called = np.where(truth == 1, 1 - wrong, wrong)
    assert share_wrong(called, labels) == pytest.approx(wrong, abs=0.02)
    np.testing.assert_allclose(see_through(called, wrong), truth, atol=1e-9)


def test_labels_that_are_contradicted_throughout_are_hardly_believed():
    labels = np.array([0, 1] * 50)
    wrong = share_wrong(1.0 - labels, labels)
    assert 0.4 < wrong < 0.5
    assert np.isfinite(see_through(1.0 - labels, wrong)).all()
