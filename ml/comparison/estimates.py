"""Predictions -> figures with intervals.

A figure is the mean over seeds and folds. Its 95 % interval comes from drawing the test users anew, in each fold as
many of either label as there are; the same draws for every model and seed, so that a difference's interval is paired.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.judge import rows_of
from ml.evaluation.metrics import (
    METRICS,
    Estimate,
    estimate,
    expected_calibration_error,
    f1_of_flagged,
    precision_at_budget,
    rank_users,
    resample,
)

CELLS = 6_000_000  # of a matrix of draws
Draws = dict[str, np.ndarray]  # metric -> float64 (rounds + 1,), the users as they are first


@dataclass(frozen=True)
class Figures:
    """Of one view: model -> metric -> draws."""

    prefix: str
    draws: dict[str, Draws]

    @property
    def baseline(self) -> str:
        """The protocol's, which is judged first."""
        return next(iter(self.draws))

    def scores(self) -> Iterator[dict[str, object]]:
        """model, prefix, metric, mean, low, high."""
        for model, metrics in self.draws.items():
            for metric, drawn in metrics.items():
                yield {"model": model, "prefix": self.prefix, "metric": metric, **told(estimate(drawn))}

    def estimate(self, model: str, metric: str) -> Estimate:
        return estimate(self.draws[model][metric])

    def difference(self, model: str, other: str, metric: str) -> Estimate:
        """model - other, on the same draws."""
        return estimate(self.draws[model][metric] - self.draws[other][metric])


def measure(predictions: pa.Table, prefix: str, *, budget: int, seed: int) -> Figures:
    """predictions: PREDICTIONS. budget: users flagged a day."""
    seen = rows_of(predictions, prefix=prefix)
    found: dict[str, list[Draws]] = {}
    for fold in pc.unique(seen["fold"]).to_pylist():
        for model, draws in _measure_fold(rows_of(seen, fold=fold), budget, np.random.default_rng(seed)):
            found.setdefault(model, []).append(draws)
    means = {
        model: {metric: np.mean([draws[metric] for draws in all_draws], axis=0) for metric in all_draws[0]}
        for model, all_draws in found.items()
    }
    return Figures(prefix, means)


def _measure_fold(rows: pa.Table, budget: int, rng: np.random.Generator) -> Iterator[tuple[str, Draws]]:
    """Of each model and seed; every one of them has judged the same users in the same order."""
    pairs = rows.group_by(["model", "seed"], use_threads=False).aggregate([]).to_pylist()
    drawn = None
    for pair in pairs:
        mine = rows_of(rows, **pair)
        drawn = drawn or _draw_users(mine, rng)
        blocks = [_measure_rows(mine, weights, budget) for weights in drawn.blocks()]
        yield pair["model"], {metric: np.concatenate([block[metric] for block in blocks]) for metric in blocks[0]}


@dataclass(frozen=True)
class DrawnUsers:
    """weights: float64 (rounds + 1, users), how often each is drawn; first, each once. user: int64 (rows,)."""

    weights: np.ndarray
    user: np.ndarray

    def blocks(self) -> Iterator[np.ndarray]:
        """float64 (some rounds, rows), together all rounds: so many at a time as memory should hold."""
        rounds = max(1, CELLS // len(self.user))
        for start in range(0, len(self.weights), rounds):
            yield self.weights[start : start + rounds, self.user]


def _draw_users(rows: pa.Table, rng: np.random.Generator) -> DrawnUsers:
    """All rows of a user are drawn together; a user counts as anomalous if any of them is."""
    users, user = np.unique(rows["user_id"].to_numpy(zero_copy_only=False), return_inverse=True)
    anomalous = np.zeros(len(users), np.int64)
    np.maximum.at(anomalous, user, rows["target"].to_numpy())
    return DrawnUsers(np.vstack([np.ones(len(users)), resample(anomalous, rng)]), user)


def _measure_rows(rows: pa.Table, weights: np.ndarray, budget: int) -> Draws:
    labels, logits, probability, days = (rows[name].to_numpy() for name in ("target", "logit", "probability", "day"))
    flagged = rows["flagged"].to_numpy()
    ranking = rank_users(logits, labels, weights)
    return {
        **{name: metric(ranking) for name, metric in METRICS.items()},
        "f1": f1_of_flagged(flagged, labels, weights),
        "precision_at_budget": precision_at_budget(logits, labels, weights, days, budget),
        "expected_calibration_error": expected_calibration_error(probability, labels, weights),
    }


def told(found: Estimate) -> dict[str, float]:
    """As a report has it: mean, low, high."""
    return {"mean": found.value, "low": found.low, "high": found.high}
