"""Gradient-boosted trees that stop and are chosen by validation rows. LightGBM."""

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


def search(training: Table, validation: Table, *, seed: int, threads: int) -> Grown:
    """The booster of the grid with the lowest validation loss, each stopped where the validation rows say."""
    data = _dataset(training, free_raw_data=False)
    held = _dataset(validation, free_raw_data=False, reference=data)
    fixed = {**FIXED, "seed": seed, "num_threads": threads}
    return min((_grow(data, held, fixed, parameters) for parameters in GRID), key=lambda one: min(one.validation_loss))


def regrow(training: Table, chosen: dict[str, float], *, seed: int, threads: int) -> lightgbm.Booster:
    """The same parameters and as many rounds, fitted to other rows."""
    parameters = {name: chosen[name] for name in GRID[0]}
    fixed = {**FIXED, "seed": seed, "num_threads": threads}
    return lightgbm.train({**fixed, **parameters}, _dataset(training), chosen["rounds"])


def _dataset(table: Table, **options: object) -> lightgbm.Dataset:
    return lightgbm.Dataset(table.columns, table.targets, weight=table.weights, params={"verbose": -1}, **options)


def _grow(
    data: lightgbm.Dataset, held: lightgbm.Dataset, fixed: dict[str, object], parameters: dict[str, float]
) -> Grown:
    seen: dict[str, dict[str, list[float]]] = {}
    booster = lightgbm.train(
        {**fixed, **parameters},
        data,
        ROUNDS,
        valid_sets=[data, held],
        valid_names=["training", "validation"],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False), lightgbm.record_evaluation(seen)],
    )
    loss, validation_loss = (seen[part][str(FIXED["metric"])] for part in ("training", "validation"))
    chosen = {**parameters, "rounds": booster.best_iteration, "validation_loss": min(validation_loss)}
    return Grown(booster, chosen, loss, validation_loss)
