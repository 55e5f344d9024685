"""A protocol's split -> folds: who is learned from and who is judged, each as it was known at its own moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.history import History
from ml.comparison.protocol import PrequentialSplit, Protocol, TimeSplit, UserSplit, moment
from ml.contracts.events import TIME
from ml.errors import TrailguardError
from ml.sequences.item_record import ItemRecord
from ml.sequences.sequences import Sequences
from ml.training.verdicts import know_users, learn_record

FEWEST = 100  # users, all slices together
SPLIT_SEED = 0  # who is in which fold does not depend on the models' seeds


class TooFewUsers(TrailguardError):
    """A comparison needs at least 100 users, and anomalous and good ones in each slice of each fold.

    Take a longer history, longer folds or fewer of them.
    """


@dataclass(frozen=True)
class Slice:
    """Users with both ends of their trails, labelled (`target`), and what of them is known.

    users: user_id, first_event_time, label (int8), ..., by user_id, as from `know_users`. sequences: of the same users.
    """

    users: pa.Table
    sequences: Sequences

    def keep(self, users: np.ndarray) -> "Slice":
        """Only the users where the bool (users,) mask is True."""
        kept = self.users.filter(pa.array(users))
        return Slice(kept, self.sequences.of_users(kept["user_id"].combine_chunks()))

    @property
    def labels(self) -> np.ndarray:
        """int8 (users,)."""
        return self.users["label"].to_numpy()

    @property
    def began(self) -> np.ndarray:
        """int64 (users,): microseconds since 1970 of each user's first event."""
        return self.users["first_event_time"].cast(pa.int64()).to_numpy()

    def counts(self) -> dict[str, int]:
        return {"users": len(self.labels), "anomalous": int(self.labels.sum())}


@dataclass(frozen=True)
class Fold:
    """One training and one judgement.

    as_of: nothing later was known when it was trained. record: what was known of items, up to then.
    """

    name: str
    as_of: datetime
    record: ItemRecord
    training: Slice
    validation: Slice
    test: Slice

    def counts(self) -> dict[str, dict[str, int]]:
        return {name: getattr(self, name).counts() for name in ("training", "validation", "test")}


def cut_folds(history: History, protocol: Protocol) -> list[Fold]:
    """The protocol's folds, oldest first. Raises TooFewUsers, naming fold and slice."""
    cut = {TimeSplit: _by_time, UserSplit: _by_user, PrequentialSplit: _prequential}[type(protocol.split)]
    folds = list(cut(history, protocol))
    for fold in folds:
        everybody = sum(counts["users"] for counts in fold.counts().values())
        for name, counts in fold.counts().items():
            if everybody < FEWEST or not 0 < counts["anomalous"] < counts["users"]:
                raise TooFewUsers(fold=fold.name, slice=name, **counts, users_of_all_slices=everybody)
    return folds


def _by_time(history: History, protocol: Protocol) -> Iterator[Fold]:
    split = protocol.split
    known = _know(history, protocol, moment(split.train_before))
    judged = _first_seen(_know(history, protocol, history.end), moment(split.test_from), moment(split.test_until))
    as_of = moment(split.train_before)
    yield Fold(
        "time", as_of, _record(history, history.labels, as_of), *_hold_newest(known, protocol.validation), judged
    )


def _prequential(history: History, protocol: Protocol) -> Iterator[Fold]:
    split = protocol.split
    train, delay, test = (timedelta(days=days) for days in (split.train_days, split.delay_days, split.test_days))
    everybody = _know(history, protocol, history.end)
    for index in reversed(range(split.folds)):
        begin = history.end - history.label_delay - test * (index + 1)
        known = _first_seen(_know(history, protocol, begin), begin - delay - train, begin - delay)
        judged = _first_seen(everybody, begin, begin + test)
        record = _record(history, history.labels, begin)
        yield Fold(f"{begin:%Y-%m-%d}", begin, record, *_hold_newest(known, protocol.validation), judged)


def _by_user(history: History, protocol: Protocol) -> Iterator[Fold]:
    """Stratified, so that each fold has its share of the anomalous users."""
    everybody = _know(history, protocol, history.end)
    parts = _deal(everybody.labels, protocol.split.folds, SPLIT_SEED)
    for part in range(protocol.split.folds):
        others = everybody.keep(parts != part)
        held = _deal(others.labels, round(1 / protocol.validation), SPLIT_SEED + 1) == 0
        # nothing is known of the judged users, not even through the items that they touched
        theirs = pc.is_in(history.labels["user_id"], value_set=others.users["user_id"].combine_chunks())
        record = _record(history, history.labels.filter(theirs), history.end)
        yield Fold(
            f"user-{part}", history.end, record, others.keep(~held), others.keep(held), everybody.keep(parts == part)
        )


def _record(history: History, labels: pa.Table, as_of: datetime) -> ItemRecord:
    return learn_record(history.events, labels, as_of=as_of)


def _know(history: History, protocol: Protocol, as_of: datetime) -> Slice:
    known = partial(know_users, as_of=as_of, label_delay=history.label_delay, window=protocol.window)
    everybody = Slice(*known(history.events, history.labels))
    if protocol.users == "matured":
        return everybody
    labelled = history.labels_before(as_of)["user_id"].combine_chunks()
    return everybody.keep(pc.is_in(everybody.users["user_id"], value_set=labelled).to_numpy())


def _first_seen(known: Slice, start: datetime, end: datetime) -> Slice:
    bounds = [pa.scalar(when, TIME).cast(pa.int64()).as_py() for when in (start, end)]
    return known.keep((known.began >= bounds[0]) & (known.began < bounds[1]))


def _hold_newest(known: Slice, share: float) -> tuple[Slice, Slice]:
    """The users first seen earlier, and the share of those first seen last."""
    order = np.argsort(known.began, kind="stable")
    held = np.zeros(len(order), bool)
    held[order[round(len(order) * (1 - share)) :]] = True
    return known.keep(~held), known.keep(held)


def _deal(labels: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """int64 (users,): the part of each user; each label is dealt evenly."""
    rng, dealt = np.random.default_rng(seed), np.empty(len(labels), np.int64)
    for label in (0, 1):
        users = rng.permutation(np.flatnonzero(labels == label))
        dealt[users] = np.arange(len(users)) % parts
    return dealt
