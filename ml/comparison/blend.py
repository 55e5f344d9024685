"""Several models as one: a weighted sum of their logits, whose weights the validation users choose for each view."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ml.calibration.probability import sigmoid
from ml.comparison.fitted import Asked, Fitted
from ml.comparison.material import Material

PENALTY = 1e-3  # on squared weights: finite where the validation users are separable


@dataclass(frozen=True)
class Blend:
    """weights: view -> float64 (members + 1,), the last one the level; a member's weight is never negative."""

    members: tuple[Fitted, ...]
    weights: dict[str, np.ndarray]

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return stack([member.logits(view, asked) for member in self.members]) @ self.weights[view]


def fit_blend(members: tuple[Fitted, ...], material: Material) -> Blend:
    """The weights of the lowest cross-entropy on the validation users (Wolpert 1992, "Stacked generalization", with the
    non-negative weights of Breiman 1996, "Stacked regressions")."""
    weights = {}
    for view, asked in material.validation_views.items():
        weights[view] = weigh(stack([member.logits(view, asked) for member in members]), asked.targets)
    return Blend(members, weights)


def stack(logits: list[np.ndarray]) -> np.ndarray:
    """float64 (users, members + 1): a last column of ones."""
    return np.stack([*logits, np.ones(len(logits[0]))], axis=1)


def weigh(stacked: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """stacked: see `stack`. targets: (users,), 0 or 1. Returns: float64 (members + 1,)."""
    members = stacked.shape[1] - 1

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = stacked @ weights
        missed = sigmoid(logits) - targets
        penalised = np.append(weights[:-1], 0.0)
        value = np.mean(np.logaddexp(0, logits) - targets * logits) + PENALTY * penalised @ penalised
        return value, stacked.T @ missed / len(targets) + 2 * PENALTY * penalised

    start = np.append(np.full(members, 1 / members), 0.0)
    bounds = [(0.0, None)] * members + [(None, None)]
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
