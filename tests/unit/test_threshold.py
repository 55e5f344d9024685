"""A threshold keeps what it promises, or there is none and what is missing is said."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from ml.calibration.candidate import Candidate, Labelled
from ml.calibration.policy import Policy
from ml.calibration.shortfall import Shortfall
from ml.calibration.threshold import CANDIDATES, choose_threshold, propose_candidates

POLICY = Policy(precision_floor=0.8, fpr_ceiling=0.3, alert_budget=0.6, confidence=0.95)
RESAMPLED = 300


def draw(users: int, seed: int) -> Labelled:
    """Perfectly calibrated scores, evenly spread: at a threshold t the precision is (1 + t) / 2, the false positive
    rate (1 - t)^2 and the flagged share 1 - t."""
    random = np.random.default_rng(seed)
    scores = random.random(users)
    return Labelled(scores, (random.random(users) < scores).astype(int))


def choose(users: int, seed: int, policy: Policy = POLICY):
    return choose_threshold(draw(users, 2 * seed), draw(users, 2 * seed + 1), policy)


def test_among_many_users_the_threshold_is_nearly_the_lowest_that_keeps_the_policy():
    assert 0.6 <= choose(100_000, 0).chosen.value < 0.63


@pytest.mark.parametrize(
    ("changed", "lowest"),
    [({"precision_floor": 0.9}, 0.8), ({"fpr_ceiling": 0.04}, 0.8), ({"alert_budget": 0.25}, 0.75)],
)
def test_each_promise_alone_can_decide(changed: dict, lowest: float):
    assert lowest <= choose(100_000, 0, replace(POLICY, **changed)).chosen.value < lowest + 0.03


@pytest.mark.parametrize("users", [400, 1000])
def test_the_policy_is_broken_in_at_most_five_of_a_hundred_resampled_calibrations(users: int):
    """The true rates at every threshold are known here, so a broken promise can be counted."""
    chosen = [choose(users, seed).chosen for seed in range(RESAMPLED)]
    found = [one.value for one in chosen if one]
    assert len(found) > 0.5 * RESAMPLED
    assert sum(value < 0.6 for value in found) <= 0.05 * RESAMPLED


def test_more_candidates_make_the_proof_no_harder():
    """With Bonferroni's correction for as many candidates hardly any of these calibrations finds a threshold."""
    corrected = replace(POLICY, confidence=1 - POLICY.risk / CANDIDATES)
    found = {
        policy: sum(choose(60, seed, policy).chosen is not None for seed in range(100))
        for policy in (POLICY, corrected)
    }
    assert found[POLICY] > 2 * found[corrected]


def test_every_threshold_above_the_chosen_one_down_from_the_first_was_accepted_too():
    choice = choose(2000, 1)
    values = [one.value for one in choice.accepted]
    assert len(values) > 5
    assert values == sorted(values, reverse=True)
    assert choice.chosen == choice.accepted[-1]
    assert choice.refused.value < choice.chosen.value
    assert all(one.p_value(POLICY) <= POLICY.risk for one in choice.accepted)
    assert choice.refused.p_value(POLICY) > POLICY.risk


def test_where_no_threshold_keeps_the_policy_it_is_said_how_many_labels_are_missing():
    choice = choose(40, 3)
    assert (choice.chosen, choice.accepted) == (None, ())
    needed = choice.shortfall.users_needed
    assert 40 < needed < 400
    assert str(choice.shortfall).startswith(f"No threshold keeps {POLICY} with 95% confidence.")
    assert f"About {needed} users with a matured label would prove it" in str(choice.shortfall)


def test_as_many_users_as_are_said_to_be_missing_would_do():
    candidate = Candidate(value=0.7, users=40, anomalous=20, flagged=12, hits=11)
    assert candidate.p_value(POLICY) > POLICY.risk
    needed = Shortfall.of(candidate, POLICY).users_needed
    grown = Candidate(0.7, needed, needed // 2, round(12 * needed / 40), round(11 * needed / 40))
    assert grown.p_value(POLICY) <= POLICY.risk


def test_where_scores_say_nothing_more_labels_are_not_asked_for():
    random = np.random.default_rng(6)
    earlier, later = (Labelled(random.random(500), (random.random(500) < 0.3).astype(int)) for _ in range(2))
    shortfall = choose_threshold(earlier, later, POLICY).shortfall
    assert shortfall.users_needed is None
    assert "the model must become better, or the policy milder" in str(shortfall)
    assert "precision 0." in str(shortfall)


def test_few_flags_prove_nothing_however_precise_they_are():
    few = Labelled(np.r_[np.full(5, 0.9), np.full(95, 0.1)], np.r_[np.ones(5, int), np.zeros(95, int)])
    assert choose_threshold(few, few, POLICY).chosen is None


def test_nobody_flagged_proves_no_precision():
    assert Candidate(0.9, 100, 50, flagged=0, hits=0).p_values(POLICY)["precision"] == 1


def test_a_bound_reaches_the_promise_exactly_where_it_is_proven():
    """Both are exact, so they are two sides of one thing."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        flagged = int(rng.integers(1, 80))
        candidate = Candidate(0.5, 200, 100, flagged, int(rng.integers(0, flagged + 1)))
        p, bounds = candidate.p_values(POLICY), candidate.bounds(POLICY)
        assert (p["precision"] <= POLICY.risk) == (bounds["precision"] >= POLICY.precision_floor)
        assert (p["false_positive_rate"] <= POLICY.risk) == (bounds["false_positive_rate"] <= POLICY.fpr_ceiling)
        assert (p["flagged_share"] <= POLICY.risk) == (bounds["flagged_share"] <= POLICY.alert_budget)


def test_bounds_are_the_clopper_pearson_ones():
    bounds = Candidate(0.5, 100, 40, flagged=30, hits=28).bounds(POLICY)
    assert bounds["precision"] == pytest.approx(beta.ppf(0.05, 28, 3))
    assert bounds["false_positive_rate"] == pytest.approx(beta.ppf(0.95, 3, 58))


def test_candidates_fall_to_the_whole_budget():
    candidates = propose_candidates(draw(10_000, 0).scores, 0.2)
    assert (np.diff(candidates) < 0).all()
    assert candidates[0] == pytest.approx(0.995, abs=0.005)
    assert candidates[-1] == pytest.approx(0.8, abs=0.02)


def test_mapie_which_is_more_careful_accepts_no_threshold_that_is_refused_here():
    """Its p-values are upper bounds (Hoeffding and Bentkus), these are exact; order and candidates are the same."""
    from mapie.risk_control import BinaryClassificationController

    accepted, policy = 0, replace(POLICY, fpr_ceiling=1.0, alert_budget=1.0)
    for seed in range(20):
        earlier, later = draw(600, 2 * seed), draw(600, 2 * seed + 1)
        choice = choose_threshold(earlier, later, policy)
        tried = [*choice.accepted, choice.refused]
        controller = BinaryClassificationController(
            lambda scores: np.hstack([1 - scores, scores]),
            "precision",
            policy.precision_floor,
            confidence_level=policy.confidence,
            list_predict_params=np.array([one.value for one in tried if one]),
            fwer_method="fixed_sequence",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where it finds none
            theirs = controller.calibrate(later.scores[:, None], later.labels).valid_predict_params
        assert set(theirs) <= {one.value for one in choice.accepted}
        accepted += len(theirs)
    assert accepted > 50
