"""What a network learns is how probably a user is anomalous, though labels are wrong or anomalous users weighed up."""

import keras
import numpy as np
import pytest

from ml.training.loss import CrossEntropy, cross_entropy

LOGITS = np.linspace(-6, 6, 25)


def whole_loss(loss: CrossEntropy, targets: np.ndarray, logits: np.ndarray) -> float:
    return float(keras.ops.convert_to_numpy(loss(targets[:, None], logits[:, None].astype(np.float32))))


@pytest.mark.parametrize("wrong", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_the_loss_is_the_same_with_and_without_a_backend(wrong: float, target: float):
    targets = np.full_like(LOGITS, target)
    found = whole_loss(CrossEntropy(wrong), targets, LOGITS)
    assert found == pytest.approx(cross_entropy(LOGITS, targets, wrong).sum(), 1e-4)


def test_a_wrong_label_costs_no_more_than_its_being_wrong():
    sure = np.array([30.0])
    assert cross_entropy(sure, np.array([0.0])) == pytest.approx(30)
    assert cross_entropy(sure, np.array([0.0]), wrong=0.2) == pytest.approx(-np.log(0.2))


def test_labels_of_which_some_are_wrong_cost_least_where_the_truth_is_told():
    """Of a hundred users alike, of whom 74 are called anomalous and a fifth of the labels is wrong, 90 are."""
    costs = 0.74 * cross_entropy(LOGITS, 1.0, 0.2) + 0.26 * cross_entropy(LOGITS, 0.0, 0.2)
    assert LOGITS[np.argmin(costs)] == pytest.approx(np.log(0.9 / 0.1), abs=0.3)


@pytest.mark.parametrize("wrong", [0.0, 0.2])
@pytest.mark.parametrize("weight", [0.5, 9.0, 400.0])
def test_however_much_anomalous_users_weigh_the_probability_itself_costs_least(wrong: float, weight: float):
    """Of a hundred users alike, 26 are called anomalous: where no label is wrong, so many are; with a fifth, ten."""
    called = np.array([1.0] * 26 + [0.0] * 74)
    costs = [whole_loss(CrossEntropy(wrong, weight), called, np.full(100, logit)) for logit in LOGITS]
    truth = (0.26 - wrong) / (1 - 2 * wrong)
    assert LOGITS[np.argmin(costs)] == pytest.approx(np.log(truth / (1 - truth)), abs=0.3)


def test_a_belief_weighs_as_many_users_of_whom_that_share_is_anomalous():
    loss = CrossEntropy(weight=7.0)
    believed = whole_loss(loss, np.full(4, 0.25), np.full(4, -1.5))
    assert believed == pytest.approx(whole_loss(loss, np.array([1.0, 0, 0, 0]), np.full(4, -1.5)), 1e-5)


def test_missing_an_anomalous_user_costs_as_often_as_they_weigh_what_a_false_alarm_does():
    """Where the odds are even once they are weighed."""
    loss, even = CrossEntropy(weight=9.0), -np.log(9.0)
    missed = whole_loss(loss, np.array([1.0]), np.array([even]))
    assert missed == pytest.approx(9 * whole_loss(loss, np.array([0.0]), np.array([even])), 1e-5)
