"""Folds of users, each as they were known at their own moment."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.fold import SPLIT_SEED, Fold, deal_users, labels_to_tell, trails_to_see, unseen_kinds
from ml.comparison.history import History
from ml.comparison.protocol import PrequentialSplit, Protocol, TimeSplit, UserSplit, moment
from ml.comparison.slices import Slice
from ml.contracts.events import TIME
from ml.training.verdicts import know_users


def cut_user_folds(told: History, history: History, protocol: Protocol) -> Iterator[Fold]:
    """The protocol's folds, oldest first. told: the history as training knows it."""
    cut = {TimeSplit: _by_time, UserSplit: _by_user, PrequentialSplit: _prequential}
    return cut[type(protocol.split)](told, history, protocol)


def _by_time(told: History, history: History, protocol: Protocol) -> Iterator[Fold]:
    as_of, start, end = (moment(getattr(protocol.split, name)) for name in ("train_before", "test_from", "test_until"))
    learned = _learn_from(_know(told, protocol, as_of), protocol)
    judged = _first_seen(_know(history, protocol, history.end), start, end)
    trails = trails_to_see(history, protocol, as_of)
    yield Fold("time", as_of, told.events, labels_to_tell(told, protocol, as_of), *learned, judged, trails)


def _prequential(told: History, history: History, protocol: Protocol) -> Iterator[Fold]:
    split = protocol.split
    train, delay, test = (timedelta(days=days) for days in (split.train_days, split.delay_days, split.test_days))
    everybody = _know(history, protocol, history.end)
    for index in reversed(range(split.folds)):
        begin = history.end - history.label_delay - test * (index + 1)
        known = _first_seen(_know(told, protocol, begin), begin - delay - train, begin - delay)
        judged = _first_seen(everybody, begin, begin + test)
        labels, trails = labels_to_tell(told, protocol, begin), trails_to_see(history, protocol, begin)
        yield Fold(f"{begin:%Y-%m-%d}", begin, told.events, labels, *_learn_from(known, protocol), judged, trails)


def _by_user(told: History, history: History, protocol: Protocol) -> Iterator[Fold]:
    """Stratified, so that each fold has its share of the anomalous users."""
    everybody, end = _know(history, protocol, history.end), history.end
    known, trails = _know(told, protocol, end), trails_to_see(history, protocol, end)
    parts = deal_users(everybody.labels, protocol.split.folds, SPLIT_SEED)
    for part in range(protocol.split.folds):
        test = everybody.keep(parts == part)
        judged = test.users["user_id"].combine_chunks()
        others = _seen(known.keep(pc.invert(pc.is_in(known.users["user_id"], value_set=judged)).to_numpy()), protocol)
        held = deal_users(others.labels, round(1 / protocol.validation), SPLIT_SEED + 1) == 0
        # nothing is known of the judged users, not even through the items that they touched
        labels = labels_to_tell(told, protocol, end, others.users["user_id"].combine_chunks())
        unjudged = trails and trails.keep(pc.invert(pc.is_in(trails.events["user_id"], value_set=judged)).to_numpy())
        learned = (others.keep(~held), others.keep(held), others)
        yield Fold(f"user-{part}", end, told.events, labels, *learned, test, unjudged)


def _know(history: History, protocol: Protocol, as_of: datetime) -> Slice:
    everybody = Slice(
        *know_users(
            history.events, history.labels, as_of=as_of, label_delay=history.label_delay, window=protocol.window
        )
    )
    if history.told is not None:
        everybody = everybody.keep(pc.is_in(everybody.users["user_id"], value_set=history.told).to_numpy())
    if protocol.users == "matured":
        return everybody
    labelled = history.labels_before(as_of)["user_id"].combine_chunks()
    return everybody.keep(pc.is_in(everybody.users["user_id"], value_set=labelled).to_numpy())


def _seen(known: Slice, protocol: Protocol) -> Slice:
    """Without the users whom training must not see: of kinds that are left out, or all anomalous ones."""
    unseen = pc.is_in(known.users["kind"], value_set=unseen_kinds(protocol)).to_numpy()
    return known.keep(~unseen & ((known.labels == 0) | (protocol.learn_from == "all")))


def _first_seen(known: Slice, start: datetime, end: datetime) -> Slice:
    bounds = [pa.scalar(when, TIME).cast(pa.int64()).as_py() for when in (start, end)]
    return known.keep((known.began >= bounds[0]) & (known.began < bounds[1]))


def _learn_from(known: Slice, protocol: Protocol) -> tuple[Slice, Slice, Slice]:
    """Training: the users first seen earlier; validation: the share of those first seen last; and both."""
    seen = _seen(known, protocol)
    order = np.argsort(seen.began, kind="stable")
    held = np.zeros(len(order), bool)
    held[order[round(len(order) * (1 - protocol.validation)) :]] = True
    return seen.keep(~held), seen.keep(held), seen
