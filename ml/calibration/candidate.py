"""A threshold tried on labelled users, and how sure that makes of what it must promise."""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import beta, binom

from ml.calibration.policy import Policy

PROPOSE = 1 / 3  # of the users; of a fifth to a half, a third found a threshold in most resampled calibrations


class Labelled(NamedTuple):
    """Users, each an independent draw. scores: the highest probability that a user was ever given, float64 (users,).
    labels: 0 or 1, (users,)."""

    scores: np.ndarray
    labels: np.ndarray

    def split(self) -> tuple["Labelled", "Labelled"]:
        """Those who propose a threshold, who come first, and those who prove it."""
        first = int(PROPOSE * len(self.scores))
        return Labelled(self.scores[:first], self.labels[:first]), Labelled(self.scores[first:], self.labels[first:])


@dataclass(frozen=True)
class Candidate:
    """value: users whose score reaches it are flagged. hits: flagged users who are anomalous."""

    value: float
    users: int
    anomalous: int
    flagged: int
    hits: int

    @classmethod
    def count(cls, value: float, given: Labelled) -> "Candidate":
        flagged = given.scores >= value
        counts = (len(flagged), given.labels.sum(), flagged.sum(), given.labels[flagged].sum())
        return cls(float(value), *map(int, counts))

    @property
    def good(self) -> int:
        return self.users - self.anomalous

    @property
    def rates(self) -> dict[str, float]:
        """As they were found; 0 of none."""
        return {
            "precision": _share(self.hits, self.flagged),
            "false_positive_rate": _share(self.flagged - self.hits, self.good),
            "flagged_share": _share(self.flagged, self.users),
            "recall": _share(self.hits, self.anomalous),
        }

    def p_values(self, policy: Policy) -> dict[str, float]:
        """Of each promise: how probable so good a count would be if the promise were just broken. Exact, one-sided."""
        return {
            "precision": float(binom.sf(self.hits - 1, self.flagged, policy.precision_floor)),
            "false_positive_rate": float(binom.cdf(self.flagged - self.hits, self.good, policy.fpr_ceiling)),
            "flagged_share": float(binom.cdf(self.flagged, self.users, policy.alert_budget)),
        }

    def p_value(self, policy: Policy) -> float:
        """Of all promises together: that any of them is broken is as improbable as the least proven of them."""
        return max(self.p_values(policy).values())

    def bounds(self, policy: Policy) -> dict[str, float]:
        """Of each rate that is promised, the worst that the confidence leaves open (Clopper and Pearson, 1934)."""
        return {
            "precision": 1 - _highest(self.flagged - self.hits, self.flagged, policy.confidence),
            "false_positive_rate": _highest(self.flagged - self.hits, self.good, policy.confidence),
            "flagged_share": _highest(self.flagged, self.users, policy.confidence),
        }

    def told(self, policy: Policy) -> dict[str, object]:
        """As a record has it."""
        return asdict(self) | self.rates | {"bounds": self.bounds(policy), "p_value": self.p_value(policy)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _highest(part: int, whole: int, confidence: float) -> float:
    return float(beta.ppf(confidence, part + 1, whole - part)) if part < whole else 1.0
