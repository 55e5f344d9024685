"""Threshold selection: the lowest score at which flags are precise enough, with a guarantee, within the budget.

Learn then Test (A. Angelopoulos, S. Bates, E. Candès, M. Jordan, L. Lei, 2021): each candidate is a hypothesis "flags
at this threshold are less precise than the floor", tested exactly on labelled users that neither the model nor the
candidates were chosen on; Bonferroni's correction makes the probability that any false one is accepted at most
1 - confidence. The candidates come from the calibration slice, so the test is honest on the threshold slice.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import beta, binom

from ml.errors import TrailguardError

CANDIDATES = 12


class ThresholdUnreachable(TrailguardError):
    """No threshold reaches the required precision at the required confidence within the alert budget.

    The champion's flags stay. More labels, a lower precision floor or a better model are needed.
    """


@dataclass(frozen=True)
class Policy:
    """What a threshold must promise.

    precision_floor: least share of flagged users that are anomalous. confidence: probability that the promise holds.
    alert_budget: largest share of scored users that may be flagged.
    """

    precision_floor: float
    confidence: float
    alert_budget: float


@dataclass(frozen=True)
class Candidate:
    """A threshold tried on labelled users. lower_bound: of the precision, one-sided, corrected for all candidates."""

    value: float
    flagged: int
    anomalous: int
    flagged_share: float
    precision: float
    lower_bound: float
    p_value: float


@dataclass(frozen=True)
class ThresholdChoice:
    """The chosen candidate and all that were tried."""

    chosen: Candidate
    tried: tuple[Candidate, ...]
    policy: Policy
    users: int
    anomalous: int

    def record(self, as_of: str) -> dict[str, object]:
        """threshold.json of a bundle."""
        facts = {
            "slice": "threshold",
            "users": self.users,
            "anomalous": self.anomalous,
            "chosen": asdict(self.chosen),
            "policy": asdict(self.policy),
            "candidates": len(self.tried),
        }
        return {
            "value": self.chosen.value,
            "method": "learn-then-test, exact binomial, Bonferroni",
            "guarantee": f"precision >= {self.policy.precision_floor}",
            "confidence": self.policy.confidence,
            "calibration_data": facts,
            "valid_from": as_of,
        }


def propose_candidates(scores: np.ndarray, alert_budget: float) -> np.ndarray:
    """float64 (at most CANDIDATES,), ascending: the scores of the calibration slice that would flag the whole budget,
    and ever smaller parts of it."""
    shares = alert_budget * np.geomspace(1.0, 1 / 20, CANDIDATES)
    return np.unique(np.quantile(scores, 1 - shares))


def choose_threshold(scores: np.ndarray, labels: np.ndarray, candidates: np.ndarray, policy: Policy) -> ThresholdChoice:
    """The lowest candidate that keeps the policy on the threshold slice.

    scores: calibrated, float64 (users,). labels: 0 or 1, (users,). candidates: from `propose_candidates`.
    Raises ThresholdUnreachable.
    """
    risk = (1 - policy.confidence) / len(candidates)
    tried = tuple(_test(value, scores, labels, policy.precision_floor, risk) for value in sorted(candidates))
    kept = [one for one in tried if one.p_value <= risk and one.flagged_share <= policy.alert_budget]
    if not kept:
        best = max(tried, key=lambda one: one.lower_bound)
        raise ThresholdUnreachable(
            required=policy.precision_floor,
            confidence=policy.confidence,
            alert_budget=policy.alert_budget,
            best_lower_bound=round(best.lower_bound, 3),
            best_precision=round(best.precision, 3),
            flagged_there=best.flagged,
            users=len(labels),
            anomalous=int(labels.sum()),
        )
    return ThresholdChoice(kept[0], tried, policy, len(labels), int(labels.sum()))


def _test(value: float, scores: np.ndarray, labels: np.ndarray, floor: float, risk: float) -> Candidate:
    """Exact one-sided binomial test and its Clopper-Pearson bound."""
    flagged = scores >= value
    count, hits = int(flagged.sum()), int(labels[flagged].sum())
    return Candidate(
        value=float(value),
        flagged=count,
        anomalous=hits,
        flagged_share=count / len(scores),
        precision=hits / count if count else 0.0,
        lower_bound=float(beta.ppf(risk, hits, count - hits + 1)) if hits else 0.0,
        p_value=float(binom.sf(hits - 1, count, floor)) if count else 1.0,
    )
