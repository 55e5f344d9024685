"""Gradient-boosted trees that stop and are chosen by validation rows. LightGBM."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import lightgbm
import numpy as np

ROUNDS, PATIENCE = 2000, 60
GRID = tuple(
    {"num_leaves": leaves, "min_child_samples": samples, "learning_rate": 0.05}
    for leaves, samples in ((7, 20), (15, 40), (31, 40), (63, 80))
)
FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "num_threads": 1,  # boosters are grown side by side instead: on a busy machine threads that wait cost more
    "force_row_wise": True,
    "verbose": -1,
}


class Table(NamedTuple):
    """columns: float32 (rows, columns), see ml.models.columns. targets: (rows,), 0 or 1. weights: (rows,), or all 1."""

    columns: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Grown:
    """A booster, the parameters that the validation rows preferred, and its loss on either part after each round."""

    booster: lightgbm.Booster
    chosen: dict[str, float]
    loss: list[float]
    validation_loss: list[float]


def search(training: Table, validation: Table, *, seed: int, at_once: int) -> Grown:
    """The booster of the grid with the lowest validation loss, each stopped where the validation rows say.

    at_once: boosters that are grown side by side.
    """
    with ThreadPoolExecutor(at_once) as pool:
        grown = pool.map(lambda parameters: _grow(training, validation, parameters, seed), GRID)
        return min(grown, key=lambda one: one.chosen["validation_loss"])


def regrow(training: Table, chosen: dict[str, float], *, seed: int) -> lightgbm.Booster:
    """The same parameters and as many rounds, fitted to other rows."""
    parameters = {name: chosen[name] for name in GRID[0]}
    return lightgbm.train({**FIXED, **parameters, "seed": seed}, _dataset(training, {"verbose": -1}), chosen["rounds"])


def _grow(training: Table, validation: Table, parameters: dict[str, float], seed: int) -> Grown:
    binned = {**FIXED, **GRID[0], "seed": seed}  # every booster of the grid may use the same columns
    data = _dataset(training, binned).construct()
    held, seen = _dataset(validation, binned, data), {}
    booster = lightgbm.train(
        {**binned, **parameters},
        data,
        ROUNDS,
        valid_sets=[data, held],
        valid_names=["training", "validation"],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False), lightgbm.record_evaluation(seen)],
    )
    loss, validation_loss = (seen[part][FIXED["metric"]] for part in ("training", "validation"))
    chosen = {**parameters, "rounds": booster.best_iteration, "validation_loss": min(validation_loss)}
    return Grown(booster, chosen, loss, validation_loss)


def _dataset(table: Table, params: dict, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    return lightgbm.Dataset(table.columns, table.targets, weight=table.weights, reference=reference, params=params)
