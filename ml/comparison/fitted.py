"""What every model is once it was fitted."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml.comparison.material import Asked, Material


class Fitted(Protocol):
    """A model that was fitted to a fold's training users, and stopped or chosen by its validation users."""

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        """float64 (asked,)."""


class Refittable(Fitted, Protocol):
    """A model that labels taught."""

    def refit(self, material: Material, seed: int) -> Fitted:
        """The same with what was chosen, fitted to all users of `material.whole`."""


@dataclass(frozen=True)
class Trained:
    """first: what the validation users were kept from. last: what judges; the same unless it was fitted again."""

    first: Fitted
    last: Fitted
