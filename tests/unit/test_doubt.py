"""How many labels are wrong is told by what contradicts them."""

import numpy as np
import pytest

from ml.models.boosting import Table
from ml.training.doubt import MOST_WRONG, ask_others, believe, share_wrong

CHOSEN = {"num_leaves": 7, "min_child_samples": 20, "learning_rate": 0.05, "rounds": 60}


def drawn(users: int, wrong: float, seed: int = 0) -> Table:
    """Users of whom one column tells nearly all, and labels of which some are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, users)
    columns = np.stack([truth + rng.normal(scale=0.2, size=users), rng.normal(size=users)], axis=1)
    return Table(columns.astype(np.float32), np.where(rng.random(users) < wrong, 1 - truth, truth))


@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.3])
def test_the_share_of_wrong_labels_is_found_by_boosters_that_have_not_seen_them(wrong: float):
    table = drawn(3000, wrong)
    found = share_wrong(ask_others(table, CHOSEN, seed=0), table.targets)
    assert wrong - 0.02 < found < wrong + 0.08  # rather too much than too little


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.2, 0.35])
def test_opinions_that_see_through_all_but_wrong_labels_are_contradicted_as_often_as_the_formula_says(wrong: float):
    table = drawn(20_000, wrong)
    truth = (table.columns[:, 0] > 0.5).astype(int)
    opinions = np.where(truth == 1, 1 - wrong, wrong)
    assert share_wrong(opinions, table.targets) == pytest.approx(wrong, abs=0.02)


def test_labels_that_are_contradicted_throughout_are_hardly_believed():
    labels = np.array([0, 1] * 50)
    assert share_wrong(1.0 - labels, labels) == MOST_WRONG < 0.5


def test_beliefs_are_nearer_the_truth_than_labels_and_than_opinions():
    table = drawn(3000, wrong=0.3)
    truth = (table.columns[:, 0] > 0.5).astype(int)
    opinions = ask_others(table, CHOSEN, seed=0)
    error = np.abs(believe(opinions, table.targets, 0.3) - truth).mean()
    assert error < 0.5 * np.abs(table.targets - truth).mean()
    assert error < 0.5 * np.abs(opinions - truth).mean()


def test_where_an_opinion_is_undecided_the_label_decides():
    good, anomalous = believe(np.array([0.5, 0.5]), np.array([0, 1]), 0.2)
    assert (good, anomalous) == (pytest.approx(0.2), pytest.approx(0.8))


def test_labels_that_opinions_bear_out_are_kept():
    truth = np.array([0, 1] * 50)
    assert share_wrong(truth.astype(float), truth) == 0
    np.testing.assert_allclose(believe(truth.astype(float), truth, 0.0), truth, atol=1e-5)


def test_a_contradicted_label_counts_less_the_more_labels_are_wrong():
    opinions, labels = np.array([0.45]), np.array([1])
    assert believe(opinions, labels, 0.4) < believe(opinions, labels, 0.05)
