"""A fold in which not labels decide who is anomalous, but what is believed of each user."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.fitted import Asked, Refittable
from ml.comparison.fold import Fold
from ml.comparison.material import Material
from ml.comparison.slices import TARGET, Slice
from ml.contracts.labels import LABEL_SCHEMA
from ml.sequences.sequences import Sequences

BELIEVED = "believed"  # kind and source of a label that nobody gave
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


def relabel(material: Material, users: pa.Array, beliefs: np.ndarray) -> Material:
    """The same users and targets; features learned anew, items' record by what is believed.

    users: string, all of the fold's whole. beliefs: float64 (users,), the probability that each is anomalous.
    """
    return replace(
        material, fold=replace(material.fold, labels=_believed_labels(material.fold, users, beliefs)), given=None
    )


def soften(material: Material, users: pa.Array, beliefs: np.ndarray) -> Material:
    """The same users and features, targets as far as believed. users, beliefs: as for `relabel`."""
    slices = {name: _soften(getattr(material.fold, name), users, beliefs) for name in SLICES}
    return replace(material, fold=replace(material.fold, **slices))


def _believed_labels(fold: Fold, users: pa.Array, beliefs: np.ndarray) -> pa.Table:
    """Of users believed to be other than they are called: no label where good, one from right after the last event in
    sight on where anomalous."""
    known = fold.whole
    anomalous = beliefs[pc.index_in(known.users["user_id"], value_set=users).to_numpy()] > 0.5
    contradicted = anomalous != (known.labels == 1)
    kept = fold.labels.filter(
        pc.invert(pc.is_in(fold.labels["user_id"], value_set=_ids(known).filter(pa.array(contradicted))))
    )
    named = pa.array(np.flatnonzero(contradicted & anomalous))
    last = known.sequences.events["event_time"].take(pa.array(known.sequences.last_rows)).take(named)
    rows = {
        "user_id": _ids(known).take(named),
        "event_id": pa.nulls(len(named), pa.string()),
        "label": [1] * len(named),
        "kind": [BELIEVED] * len(named),
        "source": [BELIEVED] * len(named),
        "confidence": beliefs[pc.index_in(_ids(known).take(named), value_set=users).to_numpy()],
        "observed_at": pc.add(last, pa.scalar(timedelta(seconds=1))),
    }
    return pa.concat_tables([kept.select(LABEL_SCHEMA.names).cast(LABEL_SCHEMA), pa.table(rows, schema=LABEL_SCHEMA)])


def _ids(known: Slice) -> pa.Array:
    return known.users["user_id"].combine_chunks()


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
