"""What every model is once it was fitted."""

from typing import Protocol

import numpy as np

from ml.sequences.features import Steps


class Fitted(Protocol):
    """A model that was fitted."""

    def logits(self, view: str, steps: Steps) -> np.ndarray:
        """float64 (users,), as seen at each user's last step in view."""
