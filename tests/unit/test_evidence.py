"""A trail is judged where it is long enough and like something that training saw."""

import numpy as np
import pytest

from ml.contracts.scores import Evidence
from ml.evaluation.heldout import Judged
from ml.scoring.evidence import EvidenceRule, EvidenceUnknown, inputs
from ml.sequences.features import UNKNOWN, Steps
from ml.training.evidence import DEFAULT, FEWEST, RUNGS, fewest_events

KNOWN = UNKNOWN + 1
RULE = EvidenceRule(fewest_events=2, lowest=[-1.0, -1.0, 0.0], highest=[1.0, 1.0, 0.5], farthest=4.0)


def trail(*last: float, events: int = 3, code: int = KNOWN) -> Steps:
    """One user, whose last step has these numbers."""
    numeric = np.zeros((events, 2), np.float32)
    numeric[-1] = last
    return Steps(numeric, np.full((events, 1), code, np.int32), np.array([0, events]))


def together(*trails: Steps) -> Steps:
    lengths = [len(one.numeric) for one in trails]
    numeric, categorical = (
        np.concatenate([getattr(one, name) for one in trails]) for name in ("numeric", "categorical")
    )
    return Steps(numeric, categorical, np.append(0, np.cumsum(lengths)))


@pytest.mark.parametrize(
    ("steps", "evidence"),
    [
        (trail(0.5, 0.5), Evidence.SUFFICIENT),
        (trail(0.5, 0.5, events=1), Evidence.TOO_SHORT),
        (trail(5.0, 0.0), Evidence.SUFFICIENT),  # four standard deviations beyond 1: just allowed
        (trail(5.1, 0.0), Evidence.TOO_UNLIKE),
        (trail(4.0, -3.6), Evidence.SUFFICIENT),  # sqrt(3 * 3 + 2.6 * 2.6) = 3.97
        (trail(4.0, -3.7), Evidence.TOO_UNLIKE),
        (trail(8.0, 8.0, events=1), Evidence.TOO_UNLIKE),  # what is both is to be looked at
        (trail(0.0, 0.0, code=UNKNOWN), Evidence.TOO_UNLIKE),  # nothing in the trail was ever seen in training
    ],
)
def test_a_trail_is_judged_where_it_is_long_enough_and_like_training(steps: Steps, evidence: Evidence):
    assert RULE.judge(steps).tolist() == [evidence]


def test_a_users_evidence_does_not_depend_on_who_is_judged_beside_them():
    trails = [trail(0.5, 0.5), trail(9.0, 9.0), trail(0.0, 0.0, events=1), trail(-0.3, 0.2, events=70)]
    assert RULE.judge(together(*trails)).tolist() == [RULE.judge(one)[0] for one in trails]
    assert RULE.judge(Steps(np.zeros((0, 2), np.float32), np.zeros((0, 1), np.int32), np.zeros(1, np.int64))).size == 0


def test_the_share_of_unknown_values_grows_with_them():
    codes = np.array([[KNOWN], [UNKNOWN], [UNKNOWN], [KNOWN]], np.int32)
    steps = Steps(np.zeros((4, 2), np.float32), codes, np.array([0, 4]))
    assert inputs(steps, np.arange(4))[:, 2].tolist() == pytest.approx([0, 4, 16 / 3, 4])


def test_a_rule_survives_its_file_and_a_version_without_one_is_to_be_trained_again(tmp_path):
    RULE.save(tmp_path)
    assert EvidenceRule.load(tmp_path) == RULE
    with pytest.raises(EvidenceUnknown, match="Train again"):
        EvidenceRule.load(tmp_path / "older")


def days(*rungs: tuple[int, int, float]) -> Judged:
    """(events, users, gap): so many users of either kind, a day each; the anomalous ones' logits are gap higher."""
    rng, parts = np.random.default_rng(0), []
    for events, users, gap in rungs:
        targets = np.repeat([0, 1], users).astype(np.int8)
        logits = (rng.normal(size=2 * users) + gap * targets).astype(np.float32)
        names = np.array([f"{events}-{user}" for user in range(2 * users)], object)
        parts.append((names, targets, logits, logits, np.full(2 * users, events)))
    return Judged(*map(np.concatenate, zip(*parts, strict=True)))


def test_the_shortest_trails_that_the_model_ranks_are_enough():
    assert fewest_events(days((1, 100, 2.0), (2, 100, 2.0)), seed=0) == 1
    assert fewest_events(days((1, 100, 0.0), (2, 100, 2.0), (3, 100, 2.0)), seed=0) == 2
    assert fewest_events(days((1, 100, 0.0), (2, 100, 0.0), (3, 100, 0.0), (7, 100, 2.0)), seed=0) == 5
    assert fewest_events(days(*((rung, 100, 0.0) for rung in RUNGS)), seed=0) == RUNGS[-1]


def test_where_too_few_users_could_tell_three_events_are_enough():
    few = FEWEST - 1
    assert fewest_events(days((1, few, 3.0), (2, few, 3.0), (3, few, 3.0)), seed=0) == DEFAULT
    assert fewest_events(days((1, few, 3.0), (2, 100, 2.0)), seed=0) == 2


def test_a_user_counts_once_in_a_rung():
    once = days((3, few := FEWEST - 1, 0.0))
    again = Judged(*(np.concatenate([values, values]) for values in vars(once).values()))
    again.events[2 * few :] = 4
    assert fewest_events(again, seed=0) == DEFAULT
