"""Ranking metrics with bootstrap intervals, for several models on the same users at once.

Every resample draws users with replacement, the same users for every model, so that the interval of a difference is
paired. Percentile intervals, 95 %: B. Efron, "Bootstrap methods", 1979.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

ROUNDS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A metric on the users as they are, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """Cumulative counts down a ranking, over resamples: float64 (rounds, distinct scores + 1), from none to all.

    hits: anomalous users so far. misses: good users so far.
    """

    hits: np.ndarray
    misses: np.ndarray


def rank_users(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Ranking:
    """scores: (users,), higher is more anomalous. labels: 0 or 1, (users,). weights: (rounds, users), times drawn."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    drawn = weights[:, order]

    def cumulate(counted: np.ndarray) -> np.ndarray:
        return np.pad(np.cumsum(drawn * counted[order], axis=1)[:, last_of_ties], ((0, 0), (1, 0)))

    return Ranking(cumulate(labels), cumulate(1 - labels))


def roc_auc(ranking: Ranking) -> np.ndarray:
    """float64 (rounds,): area under the ROC curve, ties counted half."""
    hits, misses = ranking.hits, ranking.misses
    area = (np.diff(misses) * (hits[:, 1:] + hits[:, :-1]) / 2).sum(axis=1)
    return area / (hits[:, -1] * misses[:, -1])


def average_precision(ranking: Ranking) -> np.ndarray:
    """float64 (rounds,): precision at each score, weighted by the recall that it adds."""
    hits, flagged = ranking.hits[:, 1:], (ranking.hits + ranking.misses)[:, 1:]
    precision = np.divide(hits, flagged, out=np.zeros_like(hits), where=flagged > 0)
    return (np.diff(ranking.hits) * precision).sum(axis=1) / ranking.hits[:, -1]


def recall_at_fpr(ranking: Ranking, share: float) -> np.ndarray:
    """float64 (rounds,): the largest share of anomalous users found while at most `share` of the good are flagged."""
    allowed = ranking.misses <= share * ranking.misses[:, -1:]
    return np.where(allowed, ranking.hits, 0).max(axis=1) / ranking.hits[:, -1]


METRICS: dict[str, Callable[[Ranking], np.ndarray]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "recall_at_1pct_fpr": partial(recall_at_fpr, share=0.01),
    "recall_at_0.1pct_fpr": partial(recall_at_fpr, share=0.001),
}


def precision_at_budget(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray, days: np.ndarray, budget: int
) -> np.ndarray:
    """float64 (rounds,): the share of anomalous users among the `budget` highest scores of each day.

    scores, labels, days: (users,). weights: (rounds, users), times drawn.
    """
    order = np.lexsort((-scores, days))
    drawn = weights[:, order]
    total = np.pad(np.cumsum(drawn, axis=1), ((0, 0), (1, 0)))
    first = np.searchsorted(days[order], days[order])  # of the user's day
    room = np.clip(budget - (total[:, :-1] - total[:, first]), 0, drawn)
    return (room * labels[order]).sum(axis=1) / room.sum(axis=1)


def f1_of_flagged(flagged: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 (rounds,): the harmonic mean of precision and recall of what is flagged.

    flagged: bool (users,). labels: 0 or 1, (users,). weights: (rounds, users), times drawn.
    """
    return 2 * (weights @ (flagged & (labels == 1))) / (weights @ flagged + weights @ labels)


def compare_models(
    scores: Mapping[str, np.ndarray], labels: np.ndarray, *, seed: int
) -> dict[str, dict[str, Estimate]]:
    """model -> metric -> estimate, and for the first model against each other one "<first> - <other>".

    scores: model -> (users,). labels: 0 or 1, (users,), both present.
    """
    weights = np.vstack([np.ones(len(labels)), resample(labels, np.random.default_rng(seed))])
    found = {
        model: {name: metric(ranking) for name, metric in METRICS.items()}
        for model, ranking in ((model, rank_users(given, labels, weights)) for model, given in scores.items())
    }
    first, *others = found
    for other in others:
        found[f"{first} - {other}"] = {name: found[first][name] - found[other][name] for name in METRICS}
    return {model: {name: estimate(drawn) for name, drawn in metrics.items()} for model, metrics in found.items()}


def resample(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """float64 (ROUNDS, users): how often each user is drawn; as many of each class as there are, so that no resample
    lacks one."""
    weights = np.zeros((ROUNDS, len(labels)))
    for value in (0, 1):
        users = np.flatnonzero(labels == value)
        weights[:, users] = random.multinomial(len(users), np.full(len(users), 1 / len(users)), size=ROUNDS)
    return weights


def estimate(drawn: np.ndarray) -> Estimate:
    """drawn: (rounds + 1,), the users as they are first."""
    low, high = np.quantile(drawn[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(drawn[0]), float(low), float(high))


def reliability(probability: np.ndarray, labels: np.ndarray, bins: int = 10) -> tuple[list[float], list[float]]:
    """Stated probability and observed share in bins of equally many users. probability, labels: (users,)."""
    parts = _equal_parts(probability, bins)
    return [probability[part].mean() for part in parts], [labels[part].mean() for part in parts]


def _equal_parts(probability: np.ndarray, bins: int) -> list[np.ndarray]:
    return np.array_split(np.argsort(probability), min(bins, len(probability)))


def expected_calibration_error(
    probability: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None, bins: int = 10
) -> np.ndarray:
    """float64 (rounds,): mean distance between stated and observed probability over bins of equally many users.

    probability, labels: (users,). weights: (rounds, users), times drawn; absent, each once.
    """
    drawn = np.ones((1, len(labels))) if weights is None else weights
    parts = _equal_parts(probability, bins)
    distances = [np.abs(drawn[:, part] @ (probability - labels)[part]) for part in parts]
    return np.sum(distances, axis=0) / drawn.sum(axis=1)
