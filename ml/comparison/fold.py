"""One training and one judgement, whatever is judged."""

from dataclasses import dataclass
from datetime import datetime

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
    """as_of: nothing later was known when it was trained. record: what was known of items, up to then.

    whole: training and validation together.
    trails: of everybody whom training may see, labelled or not; None where no model is pre-trained.
    """

    name: str
    as_of: datetime
    record: ItemRecord
    training: Slice | EventSlice
    validation: Slice | EventSlice
    whole: Slice | EventSlice
    test: Slice | EventSlice
    trails: Sequences | None = None

    @property
    def only_good(self) -> bool:
        """Whether no bad label was known when it was trained."""
        return self.validation.counts()["anomalous"] == 0

    def counts(self) -> dict[str, dict[str, int]]:
        return {name: getattr(self, name).counts() for name in ("training", "validation", "test")}


def record_items(history: History, protocol: Protocol, as_of: datetime, users: pa.Array | None = None) -> ItemRecord:
    """What training may know of items: not by labels of other users than these, nor of kinds that it must not see;
    nothing where it learns from good users alone."""
    if protocol.learn_from == "good":
        return ItemRecord.empty()
    labels = history.labels.filter(pc.invert(pc.is_in(history.labels["kind"], value_set=unseen_kinds(protocol))))
    if users is not None:
        labels = labels.filter(pc.is_in(labels["user_id"], value_set=users))
    return learn_record(history.events, labels, as_of=as_of)


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
