"""What every model is once it was fitted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from ml.models.boosting import Table
from ml.sequences.features import Steps
from ml.sequences.sequences import Sequences

if TYPE_CHECKING:
    from ml.comparison.material import Material


@dataclass(frozen=True)
class Asked:
    """Moments at which a score is asked for.

    trails, steps: the trails, as events and as inputs. rows: int64 (asked,), the steps asked about. columns: float32
    (asked, columns), what a table knows then. named: user_id, event_id, event_time, target and kind of each.
    """

    trails: Sequences
    steps: Steps
    rows: np.ndarray
    columns: np.ndarray
    named: pa.Table

    @property
    def table(self) -> Table:
        """What a table model learns from."""
        return Table(self.columns, self.targets)

    @property
    def targets(self) -> np.ndarray:
        """int8 (asked,)."""
        return self.named["target"].to_numpy()


class Fitted(Protocol):
    """A model that was fitted to a fold's training users, and stopped or chosen by its validation users."""

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        """float64 (asked,)."""


class Refittable(Fitted, Protocol):
    """A model that labels taught."""

    def refit(self, material: "Material", seed: int) -> Fitted:
        """The same with what was chosen, fitted to all users of `material.whole`."""


@dataclass(frozen=True)
class Trained:
    """first: what the validation users were kept from. last: what judges; the same unless it was fitted again."""

    first: Fitted
    last: Fitted
