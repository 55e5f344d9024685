"""Precision, looked at every day as labels mature.

Looked at every day, an ordinary test would break a true promise sooner or later. An e-process does not: where precision
is at least the floor, the probability that it ever reaches 1 / risk is at most the risk (J. Ville, 1939). It is the
likelihood of what was seen, averaged over all precisions below the floor, over its likelihood at the floor; the bounds
are those precisions that the average over all has not put out of question (H. Robbins, "Statistical methods related to
the law of the iterated logarithm", 1970).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaln

EDGE = 1e-9


@dataclass(frozen=True)
class Watched:
    """flagged: users whose label has matured. anomalous: of those. low, high: precision lies between with the
    confidence asked for, at every moment it is looked at. broken: the floor was refuted at some moment."""

    flagged: int
    anomalous: int
    low: float
    high: float
    broken: bool

    @property
    def precision(self) -> float | None:
        return self.anomalous / self.flagged if self.flagged else None


def watch(anomalous: np.ndarray, *, floor: float, confidence: float) -> Watched:
    """anomalous: bool (users,), in the order in which they were flagged."""
    flagged, hits = len(anomalous), int(anomalous.sum())
    low, high = precision_bounds(hits, flagged - hits, confidence)
    broken = bool((log_evidence(anomalous, floor) >= -np.log1p(-confidence)).any())
    return Watched(flagged, hits, low, high, broken)


def log_evidence(anomalous: np.ndarray, floor: float) -> np.ndarray:
    """float64 (users,): log e-value against `precision >= floor` after each user."""
    hits = np.cumsum(anomalous)
    misses = np.arange(1, len(hits) + 1) - hits
    below = np.maximum(betainc(hits + 1, misses + 1, floor), np.finfo(float).tiny)
    averaged = betaln(hits + 1, misses + 1) + np.log(below) - np.log(floor)
    return averaged - hits * np.log(floor) - misses * np.log1p(-floor)


def precision_bounds(hits: int, misses: int, confidence: float) -> tuple[float, float]:
    """Both ends of the confidence sequence after so many users."""

    def doubt(precision: float) -> float:
        """Below 0 while the precision is not out of question."""
        likelihood = hits * np.log(precision) + misses * np.log1p(-precision)
        return betaln(hits + 1, misses + 1) - likelihood + np.log1p(-confidence)

    if not hits + misses:
        return 0.0, 1.0
    likeliest = np.clip(hits / (hits + misses), EDGE, 1 - EDGE)
    low = brentq(doubt, EDGE, likeliest) if hits and doubt(EDGE) > 0 else 0.0
    high = brentq(doubt, likeliest, 1 - EDGE) if misses and doubt(1 - EDGE) > 0 else 1.0
    return float(low), float(high)
