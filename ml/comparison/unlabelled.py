"""A fold in which users without a label are learned from as well, as far as a model takes them for anomalous."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.calibration.probability import sigmoid
from ml.comparison.belief import remember, soften
from ml.comparison.fitted import Fitted
from ml.comparison.fold import Fold
from ml.comparison.material import Material
from ml.comparison.slices import KIND, TARGET, Slice
from ml.sequences.sequences import Sequences

FACTS = ("user_id", "first_event_time", "label", KIND)


def complete(material: Material, teacher: Fitted) -> Material:
    """The labelled users as they are called, all others by the teacher's opinion of all that they did.

    The teacher has to be fitted to this material.
    """
    fold, view = material.fold, material.question.views[-1]
    others = find_unlabelled(fold)
    asked = material.learning_from(training=others).training_views[view]
    more = {name: _join(getattr(fold, name), others) for name in ("training", "whole")}
    completed = replace(material, fold=replace(fold, **more))
    users = pa.concat_arrays([part.sequences.user_ids for part in (fold.whole, others)])
    order = pc.index_in(completed.fold.whole.sequences.user_ids, value_set=users).to_numpy()
    beliefs = np.concatenate([fold.whole.labels, sigmoid(teacher.logits(view, asked))])[order]
    return soften(remember(completed, beliefs), beliefs)


def find_unlabelled(fold: Fold) -> Slice:
    """Whoever is seen but not called anything; called good until somebody thinks otherwise."""
    known = pc.is_in(fold.trails.events["user_id"], value_set=fold.whole.sequences.user_ids)
    trails = fold.trails.keep(pc.invert(known).to_numpy())
    users = {
        "user_id": trails.user_ids,
        "first_event_time": trails.events["first_event_time"].take(pa.array(trails.offsets[:-1])),
        "label": np.zeros(len(trails), np.int8),
        KIND: pa.nulls(len(trails), pa.string()),
    }
    targets = pa.array(np.zeros(trails.events.num_rows, np.int8))
    labelled = trails.events.append_column(TARGET, targets)
    return Slice(pa.table(users), Sequences(trails.user_ids, trails.offsets, labelled))


def _join(known: Slice, others: Slice) -> Slice:
    users = pa.concat_tables([known.users.select(FACTS), others.users]).sort_by("user_id")
    events = pa.concat_tables([known.sequences.events, others.sequences.events])
    rank = pc.index_in(events["user_id"], value_set=users["user_id"].combine_chunks()).to_numpy()
    return Slice(users, Sequences.of(events.take(pa.array(np.argsort(rank, kind="stable")))))
