"""A fold in which not labels decide who is anomalous, but what is believed of each user."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.fitted import Refittable
from ml.comparison.material import Asked, Material
from ml.comparison.slices import TARGET, Slice
from ml.sequences.sequences import Sequences
from ml.training.relabel import relabel

SLICES = ("training", "validation", "whole")


@dataclass(frozen=True)
class Believing:
    """A model, and the material that it learns from; whom it judges, it sees with that material's features."""

    model: Refittable
    believed: Material

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return self.model.logits(view, self.believed.look_again(asked))

    def refit(self, material: Material, seed: int) -> "Believing":
        return replace(self, model=self.model.refit(self.believed, seed))


def remember(material: Material, beliefs: np.ndarray) -> Material:
    """The same users and targets; features learned anew, items' record by what is believed.

    beliefs: float64 (users,), the probability that each user of the fold's whole is anomalous.
    """
    fold, whole = material.fold, material.fold.whole
    labels = relabel(fold.labels, whole.sequences, whole.labels, beliefs)
    return replace(material, fold=replace(fold, labels=labels), given=None)


def soften(material: Material, beliefs: np.ndarray) -> Material:
    """The same users and features, targets as far as believed. beliefs: as for `remember`."""
    users = material.fold.whole.sequences.user_ids
    slices = {name: _soften(getattr(material.fold, name), users, beliefs) for name in SLICES}
    return replace(material, fold=replace(material.fold, **slices))


def _soften(part: Slice, users: pa.Array, beliefs: np.ndarray) -> Slice:
    """A user who is called anomalous from some event on is so, as far as believed, from there on."""
    index = pc.index_in(part.sequences.user_ids, value_set=users).to_numpy()
    belief = beliefs[index][part.sequences.row_users]
    target = part.sequences.events[TARGET].to_numpy()
    called = np.maximum.reduceat(target, part.sequences.offsets[:-1])[part.sequences.row_users]
    values = pa.array(np.where(called == 1, target * belief, belief).astype(np.float32))
    events = part.sequences.events
    softened = events.set_column(events.column_names.index(TARGET), TARGET, values)
    return Slice(part.users, Sequences(part.sequences.user_ids, part.sequences.offsets, softened))
