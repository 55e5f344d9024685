"""Several models as one: a weighted sum of their logits, whose weights validation users choose.

Wolpert 1992, "Stacked generalization", with the non-negative weights of Breiman 1996, "Stacked regressions".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.calibration.probability import sigmoid
from ml.files import write_json
from ml.models.bundle import BLEND
from ml.models.scoring_model import ScoringModel
from ml.sequences.features import Steps

PENALTY = 1e-3  # on squared weights: finite where the validation users are separable


@dataclass(frozen=True)
class Blend(ScoringModel):
    """weights: float64 (members + 1,), see `weigh`."""

    members: tuple[ScoringModel, ...]
    weights: np.ndarray

    @property
    def name(self) -> str:
        return "blend"

    def logits(self, steps: Steps) -> np.ndarray:
        return mix([member.logits(steps) for member in self.members], self.weights)

    def last_logits(self, steps: Steps) -> np.ndarray:
        return mix([member.last_logits(steps) for member in self.members], self.weights)

    @classmethod
    def load(cls, bundle: Path, members: tuple[ScoringModel, ...]) -> "Blend":
        """Reads what `save_weights` wrote."""
        return cls(members, np.array(json.loads((bundle / BLEND).read_text())["weights"]))


def save_weights(weights: np.ndarray, bundle: Path) -> None:
    """Writes BLEND."""
    write_json(bundle / BLEND, {"weights": weights.tolist()})


def mix(logits: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """float32 (rows,). One member after another: the bits of a matrix product depend on how many rows there are."""
    mixed = np.full(len(logits[0]), weights[-1])
    for one, weight in zip(logits, weights[:-1], strict=True):
        mixed += weight * one
    return mixed.astype(np.float32)


def stack(logits: Sequence[np.ndarray]) -> np.ndarray:
    """float64 (users, members + 1): a last column of ones."""
    return np.stack([*logits, np.ones(len(logits[0]))], axis=1)


def weigh(stacked: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The weights of the lowest cross-entropy: float64 (members + 1,), the last one the level; a member's weight is
    never negative.

    stacked: see `stack`. targets: (users,), 0 or 1.
    """
    from scipy.optimize import minimize  # here, so that scoring starts without it

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
