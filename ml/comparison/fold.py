"""One training and one judgement, whatever is judged."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.history import History
from ml.comparison.protocol import PRETRAINED, Protocol
from ml.comparison.slices import EventSlice, Slice
from ml.sequences.build import Selection, build_sequences
from ml.sequences.item_record import ItemRecord
from ml.sequences.sequences import Sequences
from ml.training.verdicts import learn_record

SPLIT_SEED = 0  # who is in which fold does not depend on the models' seeds


@dataclass(frozen=True)
class Fold:
    """as_of: nothing later was known when it was trained.

    events: the lake's folder. labels: LABEL_SCHEMA, what training is told of users, up to as_of.
    whole: training and validation together.
    trails: of everybody whom training may see, labelled or not; None where no model is pre-trained.
    """

    name: str
    as_of: datetime
    events: Path
    labels: pa.Table
    training: Slice | EventSlice
    validation: Slice | EventSlice
    whole: Slice | EventSlice
    test: Slice | EventSlice
    trails: Sequences | None = None

    @cached_property
    def record(self) -> ItemRecord:
        """What the labels tell of items."""
        return learn_record(self.events, self.labels, as_of=self.as_of)

    @property
    def only_good(self) -> bool:
        """Whether no bad label was known when it was trained."""
        return self.validation.counts()["anomalous"] == 0

    def counts(self) -> dict[str, dict[str, int]]:
        return {name: getattr(self, name).counts() for name in ("training", "validation", "test")}


def labels_to_tell(history: History, protocol: Protocol, as_of: datetime, users: pa.Array | None = None) -> pa.Table:
    """What training may know by then: of these users alone, and nothing of kinds that it must not see; no label where
    it learns from good users alone."""
    labels = history.labels_before(as_of)
    if protocol.learn_from == "good":
        return labels.slice(0, 0)
    if users is not None:
        labels = labels.filter(pc.is_in(labels["user_id"], value_set=users))
    return labels.filter(pc.invert(pc.is_in(labels["kind"], value_set=unseen_kinds(protocol))))


def trails_to_see(history: History, protocol: Protocol, as_of: datetime) -> Sequences | None:
    """Both ends of the trails of all users up to as_of, where a model is pre-trained on them."""
    if set(PRETRAINED).isdisjoint(protocol.models):
        return None
    return build_sequences(history.events, Selection(before=as_of, window=protocol.window, keep="ends"))


def unseen_kinds(protocol: Protocol) -> pa.Array:
    return pa.array(protocol.unseen, pa.string())


def deal_users(labels: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """int64 (users,): the part of each user; each label is dealt evenly. labels: 0 or 1, (users,)."""
    rng, dealt = np.random.default_rng(seed), np.empty(len(labels), np.int64)
    for label in (0, 1):
        users = rng.permutation(np.flatnonzero(labels == label))
        dealt[users] = np.arange(len(users)) % parts
    return dealt
