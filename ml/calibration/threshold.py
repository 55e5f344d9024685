"""Threshold selection: the lowest score at which flags keep what the policy promises, with a guarantee.

Learn then Test (A. Angelopoulos, S. Bates, E. Candès, M. Jordan, L. Lei, 2021) by a fixed sequence whose start is
learned (B. Laufer-Goldman, A. Fisch, R. Barzilay, T. Jaakkola, "Efficiently Controlling Multiple Risks with Pareto
Testing", 2023). Each candidate is a hypothesis "at this threshold some promise is broken", tested exactly. Earlier
users say which candidate will be easiest to prove; on later users that one is tested first and then, as long as the
test succeeds, the next lower one. The first failure ends it, so the probability that any accepted threshold breaks a
promise is at most 1 - confidence, however many are tried.
"""

from dataclasses import dataclass

import numpy as np

from ml.calibration.candidate import Candidate, Labelled
from ml.calibration.policy import Policy
from ml.calibration.shortfall import Shortfall

CANDIDATES = 40
FEWEST_FLAGGED = 1 / 40  # of the budget, by the highest candidate
METHOD = "learn then test: exact binomial, fixed sequence downwards from the candidate that earlier users prove best"


@dataclass(frozen=True)
class Choice:
    """What the later users said of the candidates.

    accepted: lower and lower, all of which keep the policy. refused: the one that ended the sequence; None where all
    candidates were accepted.
    """

    policy: Policy
    accepted: tuple[Candidate, ...]
    refused: Candidate | None

    @property
    def chosen(self) -> Candidate | None:
        """The lowest that was accepted; None where no threshold keeps the policy."""
        return self.accepted[-1] if self.accepted else None

    @property
    def shortfall(self) -> Shortfall | None:
        """How far the most promising candidate is off, where none was accepted."""
        return None if self.accepted else Shortfall.of(self.refused, self.policy)


def choose_threshold(earlier: Labelled, later: Labelled, policy: Policy) -> Choice:
    """The earlier users, of whom there must be some, propose candidates and where to begin; the later ones decide."""
    candidates = propose_candidates(earlier.scores, policy.alert_budget)
    proven = [Candidate.count(value, earlier).p_value(policy) for value in candidates]
    accepted: list[Candidate] = []
    for value in candidates[int(np.argmin(proven)) :]:
        candidate = Candidate.count(value, later)
        if candidate.p_value(policy) > policy.risk:
            return Choice(policy, tuple(accepted), candidate)
        accepted.append(candidate)
    return Choice(policy, tuple(accepted), None)


def propose_candidates(scores: np.ndarray, alert_budget: float) -> np.ndarray:
    """float64 (at most CANDIDATES,), falling: scores that would flag ever larger parts of the budget, at last all."""
    shares = alert_budget * np.geomspace(FEWEST_FLAGGED, 1.0, CANDIDATES)
    return np.unique(np.quantile(scores, 1 - shares))[::-1]
