"""A fold whose labels are doubted: each user counts as anomalous as far as label and others' opinion make it likely."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.fitted import Asked, Refittable
from ml.comparison.fold import deal_users
from ml.comparison.material import Material
from ml.comparison.slices import TARGET, Slice
from ml.models.boosting import Table, regrow, search
from ml.sequences.sequences import Sequences
from ml.training.doubt import believe

PARTS = 5  # of the users; the opinion of each is of a booster that has learned from the others
SLICES = ("training", "validation", "whole")


@dataclass(frozen=True)
class Doubting:
    """A model, and the material with doubted labels that it learns from."""

    model: Refittable
    doubted: Material

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return self.model.logits(view, asked)

    def refit(self, material: Material, seed: int) -> "Doubting":
        return replace(self, model=self.model.refit(self.doubted, seed))


def doubt(material: Material, seed: int) -> Material:
    """The same users and features, targets between 0 and 1. Opinions are of LightGBM on all that users did."""
    view = material.question.views[-1]
    asked = material.whole.training_views[view]
    beliefs = believe(_opinions(material, view, seed), asked.targets)
    known = asked.named["user_id"].combine_chunks()
    slices = {name: _soften(getattr(material.fold, name), known, beliefs) for name in SLICES}
    return material.learning_from(**slices)


def _opinions(material: Material, view: str, seed: int) -> np.ndarray:
    """float64 (users,), of `material.whole`."""
    training, held = (Table(*views[view].table) for views in (material.training_views, material.validation_views))
    chosen = search(training, held, seed=seed, at_once=2).chosen
    columns, targets = material.whole.training_views[view].table
    parts, opinions = deal_users(targets, PARTS, seed), np.empty(len(targets))
    for part in range(PARTS):
        others = Table(columns[parts != part], targets[parts != part])
        opinions[parts == part] = regrow(others, chosen, seed=seed).predict(columns[parts == part])
    return opinions


def _soften(part: Slice, known: pa.Array, beliefs: np.ndarray) -> Slice:
    """A user who is called anomalous from some event on is so, as far as believed, from there on."""
    index = pc.index_in(part.sequences.user_ids, value_set=known).to_numpy()
    belief = beliefs[index][part.sequences.row_users]
    target = part.sequences.events[TARGET].to_numpy()
    called = np.maximum.reduceat(target, part.sequences.offsets[:-1])[part.sequences.row_users]
    values = pa.array(np.where(called == 1, target * belief, belief).astype(np.float32))
    events = part.sequences.events
    softened = events.set_column(events.column_names.index(TARGET), TARGET, values)
    return Slice(part.users, Sequences(part.sequences.user_ids, part.sequences.offsets, softened))
