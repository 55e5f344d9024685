"""Single events as what is judged: their past belongs to them, their future and others' verdicts do not."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.comparison.fold import Fold
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.protocol import Protocol
from ml.comparison.slices import KIND, TARGET
from ml.training.verdicts import name_anomalous_events
from tests.trails import EXTRAS, START, label, label_table, random_events, write_lake

DAYS = {"start": "2024-01-01", "end": "2024-03-01"}
TIME_SPLIT = {"by": "time", "train_before": "2024-02-01", "test_from": "2024-02-01", "test_until": "2024-02-20"}
END, DELAY, DAY = START + timedelta(days=60), timedelta(days=5), timedelta(days=1)


@pytest.fixture(scope="module")
def events() -> pa.Table:
    return random_events(users=60, events=3000)


@pytest.fixture(scope="module")
def history(events: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Every order of a third of the users is fraudulent, known three days later."""
    lake = write_lake(tmp_path_factory.mktemp("lake"), events)
    orders = [
        row
        for row in events.filter(pc.equal(events["event_type"], "order")).to_pylist()
        if int(row["user_id"][1:]) % 3 == 0
    ]
    named = (label(row["user_id"], row["event_time"] + 3 * DAY, event=row["event_id"]) for row in orders)
    return History("orders", lake, label_table(*named), EXTRAS, DELAY, END)


def cut(history: History, **facts: object) -> list[Fold]:
    given = {"history": DAYS, "predict": "events", "window": 200, "event_types": ["order"], **facts}
    return cut_folds(history, Protocol.model_validate(given))


def judged(fold: Fold, name: str) -> pa.Table:
    part = getattr(fold, name)
    return part.sequences.events.filter(pa.array(part.judged))


def test_the_events_that_labels_name_are_anomalous_and_their_users_others_are_not(history):
    (fold,) = cut(history, split=TIME_SPLIT)
    for name in ("training", "validation", "test"):
        rows = judged(fold, name).to_pylist()
        assert {row["event_type"] for row in rows} == {"order"}
        for row in rows:
            assert row[TARGET] == (int(row["user_id"][1:]) % 3 == 0)
            assert row[KIND] == ("fraud" if row[TARGET] else None)
    others = fold.test.sequences.events.filter(pc.not_equal(fold.test.sequences.events["event_type"], "order"))
    assert others.num_rows > 100
    assert pc.max(others[TARGET]).as_py() == 0


def test_by_time_older_events_are_learned_from_than_judged_and_only_matured_ones_count(history):
    (fold,) = cut(history, split=TIME_SPLIT)
    times = {name: judged(fold, name)["event_time"] for name in ("training", "validation", "test")}
    assert pc.max(times["training"]).as_py() < pc.min(times["validation"]).as_py()
    assert pc.max(times["validation"]).as_py() < fold.as_of - DELAY
    assert pc.min(times["test"]).as_py() >= fold.as_of
    assert pc.max(times["test"]).as_py() < START + timedelta(days=50)
    held = fold.training.sequences.events["event_time"]
    assert pc.max(held).as_py() < pc.min(times["validation"]).as_py()
    past = fold.test.sequences.events["event_time"]
    assert pc.min(past).as_py() < fold.as_of


def test_a_verdict_that_came_later_names_nothing_yet(history):
    rows = judged(cut(history, split=TIME_SPLIT)[0], "test")
    assert name_anomalous_events(rows, history.labels, as_of=START + 20 * DAY).null_count == rows.num_rows > 50
    assert name_anomalous_events(rows, history.labels, as_of=END).null_count < rows.num_rows


def test_a_verdict_on_a_user_names_all_their_events_and_a_newer_one_overrules(events):
    rows = events.filter(pc.is_in(events["user_id"], value_set=pa.array(["u001", "u002", "u004"])))
    labels = label_table(
        label("u001", START), label("u002", START), label("u002", START + DAY, value=0), label("u004", END)
    )
    kinds = name_anomalous_events(rows, labels, as_of=START + 2 * DAY)
    assert [kind is not None for kind in kinds.to_pylist()] == [user == "u001" for user in rows["user_id"].to_pylist()]


def test_no_event_knows_whether_its_user_will_do_more_that_day(history):
    (fold,) = cut(history, split=TIME_SPLIT)
    for part in (fold.training, fold.validation, fold.test):
        assert not pc.any(part.sequences.events["closes_day"]).as_py()


def test_by_user_everybodys_events_are_judged_once(history):
    folds = cut(history, split={"by": "user", "folds": 3})
    seen = [event for fold in folds for event in judged(fold, "test")["event_id"].to_pylist()]
    assert len(seen) == len(set(seen)) > 200
    for fold in folds:
        users = [set(judged(fold, name)["user_id"].to_pylist()) for name in ("training", "validation", "test")]
        assert not users[0] & users[1]
        assert not (users[0] | users[1]) & users[2]


def test_prequential_folds_of_events_follow_each_other(history):
    split = {"by": "prequential", "train_days": 20, "delay_days": 5, "test_days": 8, "folds": 2}
    first, second = cut(history, split=split)
    assert second.as_of - first.as_of == 8 * DAY
    for fold in (first, second):
        assert pc.min(judged(fold, "training")["event_time"]).as_py() >= fold.as_of - 25 * DAY
        assert pc.max(judged(fold, "validation")["event_time"]).as_py() < fold.as_of - 5 * DAY
        assert pc.max(judged(fold, "test")["event_time"]).as_py() < fold.as_of + 8 * DAY


def test_a_kind_that_is_left_out_is_judged_and_never_learned_from(history):
    half = pa.array(["bot" if int(user[1:]) % 2 else "fraud" for user in history.labels["user_id"].to_pylist()])
    index = history.labels.column_names.index("kind")
    labels = history.labels.set_column(index, history.labels.schema.field("kind"), half)
    (fold,) = cut(replace(history, labels=labels), split=TIME_SPLIT, unseen=["bot"])
    learned, tested = (set(judged(fold, name)[KIND].to_pylist()) for name in ("training", "test"))
    assert learned == {None, "fraud"}
    assert tested == {None, "fraud", "bot"}
    known = labels.filter(pc.equal(labels["kind"], "fraud"))["observed_at"]
    assert set(fold.record.evidence["known_at"].to_pylist()) <= set(known.to_pylist())
    assert np.all(fold.counts()["training"]["anomalous"] > 0)
