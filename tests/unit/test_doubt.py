"""Labels that may be wrong are believed as far as others' opinion allows."""

import numpy as np

from ml.training.doubt import believe


def noisy(users: int = 4000, wrong: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is true, opinions that mostly are right, and labels of which some are wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, users)
    opinions = 1 / (1 + np.exp(-(2 * truth - 1) * 2 - rng.normal(size=users)))
    return truth, opinions, np.where(rng.random(users) < wrong, 1 - truth, truth)


def test_beliefs_are_nearer_the_truth_than_labels_and_than_opinions():
    truth, opinions, labels = noisy()
    error = np.abs(believe(opinions, labels) - truth).mean()
    assert error < np.abs(labels - truth).mean()
    assert error < np.abs(opinions - truth).mean()


def test_where_an_opinion_is_undecided_the_label_decides():
    _, opinions, labels = noisy()
    opinions[:2], labels[:2] = 0.5, (0, 1)
    good, anomalous = believe(opinions, labels)[:2]
    assert good < 0.5 < anomalous
    assert np.isclose(good, 1 - anomalous)


def test_labels_that_opinions_bear_out_are_kept():
    truth, _, _ = noisy(wrong=0.0)
    np.testing.assert_allclose(believe(truth.astype(float), truth), truth, atol=1e-5)


def test_a_contradicted_label_counts_less_the_more_labels_are_contradicted():
    _, opinions, labels = noisy(wrong=0.05)
    many = noisy(wrong=0.4)[2]
    labels[0], many[0], opinions[0] = 1, 1, 0.02
    assert believe(opinions, many)[0] < believe(opinions, labels)[0] < 0.5
