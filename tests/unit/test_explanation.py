"""Reasons are measured on the model: contributions add up, and a side that the model ignores gives none."""

import numpy as np

from ml.explanation.reasons import group_inputs, reason_of
from ml.explanation.shapley import Typical, contributions
from ml.sequences.features import Steps

OFFSETS = np.array([0, 2, 5])
TYPICAL = Typical(np.array([0.5, 0.0, -1.0], np.float32), np.array([2], np.int32))
GROUPS = [np.array([0]), np.array([1, 2]), np.array([3])]


def trails() -> Steps:
    random = np.random.default_rng(1)
    return Steps(random.normal(size=(5, 3)).astype(np.float32), np.array([[3], [2], [4], [2], [3]], np.int32), OFFSETS)


def additive(steps: Steps) -> np.ndarray:
    """A model in which each input counts by itself; numeric input 2 does not count."""
    return (2 * steps.numeric[:, 0] - steps.numeric[:, 1] + 0.7 * (steps.categorical[:, 0] == 3))[OFFSETS[1:] - 1]


def interacting(steps: Steps) -> np.ndarray:
    return (steps.numeric[:, 0] * steps.numeric[:, 1] * steps.categorical[:, 0])[OFFSETS[1:] - 1]


def test_each_group_of_an_additive_model_contributes_exactly_its_own_part():
    steps, last = trails(), OFFSETS[1:] - 1
    found = contributions(additive, steps, GROUPS, TYPICAL)
    np.testing.assert_allclose(found[:, 0], 2 * (steps.numeric[last, 0] - 0.5), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], -steps.numeric[last, 1], rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], 0.7 * (steps.categorical[last, 0] == 3), atol=1e-6)


def test_contributions_add_up_to_the_distance_from_the_typical_trail():
    steps = trails()
    typical = Steps(np.tile(TYPICAL.numeric, (5, 1)), np.tile(TYPICAL.categorical, (5, 1)), OFFSETS)
    found = contributions(interacting, steps, GROUPS, TYPICAL)
    np.testing.assert_allclose(found.sum(axis=1), interacting(steps) - interacting(typical), rtol=1e-5)


def test_the_same_trail_is_explained_the_same_way_twice():
    np.testing.assert_array_equal(*(contributions(interacting, trails(), GROUPS, TYPICAL) for _ in range(2)))


def test_inputs_are_grouped_under_stable_reasons_and_a_declared_extra_is_its_own():
    names = ["gap", "gap_mean", "item_events_max", "events_in_5m", "device_share=phone", "session_age", "device"]
    names += ["item_gap_min", "item_gap_unknown"]
    assert group_inputs(names, ["device"]) == {
        "pace": [0, 1],
        "item_popularity": [2],
        "bursts": [3],
        "device": [4, 6],
        "session_shape": [5],
        "item_recency": [7, 8],
    }


def test_what_everyone_shares_when_they_are_scored_is_nobodys_reason():
    assert group_inputs(["gap", "closes_day"], []) == {"pace": [0]}
    without_last = contributions(additive, trails(), GROUPS[:2], TYPICAL)
    np.testing.assert_allclose(without_last, contributions(additive, trails(), GROUPS, TYPICAL)[:, :2], rtol=1e-5)


def test_every_reason_is_snake_case_whatever_the_input_is_called():
    assert reason_of("event_type_share=Buy Now!", []) == "event_mix"
