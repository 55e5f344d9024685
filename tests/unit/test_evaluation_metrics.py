"""Metrics agree with scikit-learn's, and their intervals cover and pair as intervals should."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.evaluation.metrics import (
    compare_models,
    expected_calibration_error,
    precision_at_budget,
    rank_users,
    recall_at_fpr,
)


def draw(users=600, seed=1, ties=False):
    random = np.random.default_rng(seed)
    labels = (random.random(users) < 0.3).astype(int)
    scores = random.normal(labels, 1)
    return (np.round(scores) if ties else scores), labels


@pytest.mark.parametrize("ties", [False, True])
def test_values_are_those_of_scikit_learn(ties):
    scores, labels = draw(ties=ties)
    found = compare_models({"ours": scores}, labels, seed=0)["ours"]
    assert found["roc_auc"].value == pytest.approx(roc_auc_score(labels, scores))
    assert found["average_precision"].value == pytest.approx(average_precision_score(labels, scores))


def test_an_interval_holds_its_value_and_narrows_with_more_users():
    widths = []
    for users in (200, 5000):
        found = compare_models({"ours": draw(users)[0]}, draw(users)[1], seed=0)["ours"]["roc_auc"]
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 3


def test_a_difference_is_paired_so_a_model_does_not_differ_from_itself():
    scores, labels = draw()
    found = compare_models({"ours": scores, "same": scores * 2}, labels, seed=0)["ours - same"]["roc_auc"]
    assert (found.low, found.value, found.high) == (0, 0, 0)


def test_recall_at_a_false_positive_rate_counts_only_what_is_found_before_it_is_reached():
    scores = np.r_[np.linspace(2, 3, 50), np.linspace(0, 1, 200), 2.5]
    labels = np.r_[np.ones(50), np.zeros(201)].astype(int)
    ranking = rank_users(scores, labels, np.ones((1, 251)))
    assert recall_at_fpr(ranking, 0.01)[0] == 1.0  # one good user of 201 is below 1 %
    assert recall_at_fpr(ranking, 0.001)[0] == 0.5


def test_perfect_probabilities_have_no_calibration_error_and_wrong_ones_have():
    random = np.random.default_rng(3)
    probability = random.random(20_000)
    labels = (random.random(20_000) < probability).astype(int)
    assert expected_calibration_error(probability, labels)[0] < 0.02
    assert expected_calibration_error(probability**3, labels)[0] > 0.1


def test_a_budget_is_spent_on_the_highest_scores_of_each_day():
    days = np.array([1, 1, 1, 2, 2, 2])
    scores = np.array([0.9, 0.8, 0.1, 0.3, 0.2, 0.1])
    labels = np.array([1, 0, 1, 0, 1, 1])
    assert precision_at_budget(scores, labels, np.ones((1, 6)), days, 1).tolist() == [0.5]
    assert precision_at_budget(scores, labels, np.ones((1, 6)), days, 2).tolist() == [0.5]
    assert precision_at_budget(scores, labels, np.ones((1, 6)), days, 9).tolist() == [4 / 6]


def test_a_user_drawn_twice_takes_two_places_of_a_budget():
    scores, labels, days = np.array([0.9, 0.8, 0.1]), np.array([1, 0, 0]), np.array([1, 1, 1])
    drawn = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    assert precision_at_budget(scores, labels, drawn, days, 2).tolist() == [1.0, 0.0, 0.5]


def test_a_calibration_error_of_users_drawn_anew_is_that_of_the_drawn_users():
    random = np.random.default_rng(5)
    probability, labels = random.random(200), random.integers(0, 2, 200)
    weights = np.vstack([np.ones(200), random.integers(0, 3, 200)])
    found = expected_calibration_error(probability, labels, weights, bins=1)
    drawn = np.repeat(np.arange(200), weights[1].astype(int))
    expected = abs(probability[drawn].mean() - labels[drawn].mean())
    np.testing.assert_allclose(found, [abs(probability.mean() - labels.mean()), expected])
