"""Folds of single events: each is judged by what its user had done before it, and labelled by what was known then.

An event counts once it is older than the label delay; before that, nobody knows whether it is good.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.fold import SPLIT_SEED, Fold, deal_users, labels_to_tell, unseen_kinds
from ml.comparison.history import History
from ml.comparison.protocol import PrequentialSplit, Protocol, TimeSplit, UserSplit, moment
from ml.comparison.slices import JUDGED, KIND, TARGET, EventSlice
from ml.contracts.events import TIME
from ml.sequences.build import Selection, build_sequences
from ml.sequences.sequences import Sequences
from ml.training.verdicts import name_anomalous_events


def cut_event_folds(history: History, protocol: Protocol) -> Iterator[Fold]:
    """The protocol's folds, oldest first."""
    cut = {TimeSplit: _by_time, UserSplit: _by_user, PrequentialSplit: _prequential}
    return cut[type(protocol.split)](history, protocol)


def _by_time(history: History, protocol: Protocol) -> Iterator[Fold]:
    as_of, start, end = (moment(getattr(protocol.split, name)) for name in ("train_before", "test_from", "test_until"))
    matured = as_of - history.label_delay
    learned = _learn_from(_know(history, protocol, as_of, matured), protocol, None)
    labels = labels_to_tell(history, protocol, as_of)
    yield Fold("time", as_of, history.events, labels, *learned, _test(history, protocol, start, end))


def _prequential(history: History, protocol: Protocol) -> Iterator[Fold]:
    split = protocol.split
    train, delay, test = (timedelta(days=days) for days in (split.train_days, split.delay_days, split.test_days))
    for index in reversed(range(split.folds)):
        begin = history.end - history.label_delay - test * (index + 1)
        until = begin - max(delay, history.label_delay)
        learned = _learn_from(_know(history, protocol, begin, until), protocol, begin - delay - train)
        labels, judged = labels_to_tell(history, protocol, begin), _test(history, protocol, begin, begin + test)
        yield Fold(f"{begin:%Y-%m-%d}", begin, history.events, labels, *learned, judged)


def _by_user(history: History, protocol: Protocol) -> Iterator[Fold]:
    """Whole users are dealt, those with anomalous events evenly."""
    end = history.end
    trails = _know(history, protocol, end, end - history.label_delay)
    targets = trails.events[TARGET].to_numpy()
    anomalous = (np.add.reduceat(targets, trails.offsets[:-1]) > 0).astype(np.int8)
    parts = deal_users(anomalous, protocol.split.folds, SPLIT_SEED)
    held = deal_users(anomalous, round(1 / protocol.validation), SPLIT_SEED + 1) == 0
    for part in range(protocol.split.folds):
        others = parts != part
        training, validation, whole, test = (
            trails.keep(chosen[trails.row_users]) for chosen in (others & ~held, others & held, others, ~others)
        )
        labels = labels_to_tell(history, protocol, end, whole.user_ids)
        slices = (_judge(each, protocol, unseen=True) for each in (training, validation, whole))
        yield Fold(f"user-{part}", end, history.events, labels, *slices, _judge(test, protocol))


def _know(history: History, protocol: Protocol, as_of: datetime, until: datetime) -> Sequences:
    """The newest window of every trail before `until`, labelled by what was known at as_of."""
    trails = build_sequences(history.events, Selection(before=until, window=protocol.window, keep="newest"))
    events = trails.events
    kinds = name_anomalous_events(events, history.labels, as_of=as_of)
    # nobody knows at an event whether its user will do more that day
    never = pa.array(np.zeros(len(kinds), bool))
    events = events.set_column(events.column_names.index("closes_day"), events.schema.field("closes_day"), never)
    events = events.append_column(TARGET, pc.is_valid(kinds).cast(pa.int8())).append_column(KIND, kinds)
    return Sequences(trails.user_ids, trails.offsets, events)


def _learn_from(
    trails: Sequences, protocol: Protocol, since: datetime | None
) -> tuple[EventSlice, EventSlice, EventSlice]:
    """Training: the older events since then; validation: the newest share of them, with their past; and both."""
    judged = _judge(trails, protocol, since=since, unseen=True)
    time = trails.events["event_time"].cast(pa.int64()).to_numpy()
    newest = np.quantile(time[judged.judged], 1 - protocol.validation)
    training = EventSlice(judged.sequences.keep(time < newest))
    return training, EventSlice(_with_judged(judged.sequences, judged.judged & (time >= newest))), judged


def _judge(trails: Sequences, protocol: Protocol, *, since: datetime | None = None, unseen: bool = False) -> EventSlice:
    """Which events count: of the protocol's types, from `since` on; with unseen, none of a kind that it leaves out."""
    events = trails.events
    judged = np.ones(events.num_rows, bool)
    if protocol.event_types:
        judged &= pc.is_in(events["event_type"], value_set=pa.array(protocol.event_types)).to_numpy()
    if since:
        judged &= pc.greater_equal(events["event_time"], pa.scalar(since, TIME)).to_numpy()
    if unseen:
        judged &= ~pc.is_in(events[KIND], value_set=unseen_kinds(protocol)).to_numpy()
    return EventSlice(_with_judged(trails, judged))


def _with_judged(trails: Sequences, judged: np.ndarray) -> Sequences:
    kept = trails.events.drop_columns([JUDGED]) if JUDGED in trails.events.column_names else trails.events
    return Sequences(trails.user_ids, trails.offsets, kept.append_column(JUDGED, pa.array(judged)))


def _test(history: History, protocol: Protocol, start: datetime, end: datetime) -> EventSlice:
    until = min(end, history.end - history.label_delay)
    return _judge(_know(history, protocol, history.end, until), protocol, since=start)
