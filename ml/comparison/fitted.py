"""What every model is once it was fitted."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from ml.sequences.features import Steps


@dataclass(frozen=True)
class Asked:
    """Moments at which a score is asked for.

    steps: the trails. rows: int64 (asked,), the steps asked about. columns: float32 (asked, columns), what a table
    knows then. named: user_id, event_id, event_time, target and kind of each.
    """

    steps: Steps
    rows: np.ndarray
    columns: np.ndarray
    named: pa.Table

    @property
    def targets(self) -> np.ndarray:
        """int8 (asked,)."""
        return self.named["target"].to_numpy()


class Fitted(Protocol):
    """A model that was fitted."""

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        """float64 (asked,)."""
