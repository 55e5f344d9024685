"""Several contenders as one, weighed for each view."""

from dataclasses import dataclass

import numpy as np

from ml.comparison.fitted import Fitted
from ml.comparison.material import Asked, Material
from ml.models.blend import stack, weigh


@dataclass(frozen=True)
class Blend:
    """weights: view -> float64 (members + 1,), see `weigh`."""

    members: tuple[Fitted, ...]
    weights: dict[str, np.ndarray]

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return stack([member.logits(view, asked) for member in self.members]) @ self.weights[view]


def fit_blend(members: tuple[Fitted, ...], material: Material) -> Blend:
    """Weighed on the validation users."""
    weights = {}
    for view, asked in material.validation_views.items():
        weights[view] = weigh(stack([member.logits(view, asked) for member in members]), asked.targets)
    return Blend(members, weights)
