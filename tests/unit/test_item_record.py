"""The record of items: what was known of an item's visitors, and when."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.contracts.events import TIME
from ml.sequences.build import Selection, build_sequences
from ml.sequences.item_record import COLUMN, ItemRecord
from ml.sequences.sequences import Sequences
from ml.training.verdicts import find_anomalous, learn_record
from tests.trails import START, label, label_table, random_events, write_lake

END = START + timedelta(days=60)


@pytest.fixture(scope="module")
def events() -> pa.Table:
    return random_events()


@pytest.fixture(scope="module")
def lake(events: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("lake"), events)


@pytest.fixture(scope="module")
def labels() -> pa.Table:
    return label_table(*(label(f"u{user:03d}", START + timedelta(days=20 + user)) for user in range(0, 30, 3)))


def whole(lake: Path) -> Sequences:
    return build_sequences(lake, Selection(END, 1000, keep="first"))


def test_each_event_meets_the_users_known_as_anomalous_by_then_and_nobody_known_later(lake, labels):
    found = learn_record(lake, labels, as_of=END).attach(whole(lake))
    rows = found.events.select(["user_id", "item_id", "event_time", COLUMN]).to_pylist()
    known = {row["user_id"]: row["observed_at"] for row in find_anomalous(lake, labels, as_of=END).to_pylist()}
    met = 0
    for row in rows:
        touched = {
            other["user_id"]
            for other in rows
            if other["item_id"] == row["item_id"]
            and other["user_id"] in known
            and other["event_time"] < known[other["user_id"]] < row["event_time"]
        }
        assert row[COLUMN] == (None if row["item_id"] is None else len(touched))
        met += len(touched)
    assert met > 100


def test_what_was_learned_after_as_of_is_not_in_the_record(lake, labels):
    as_of = START + timedelta(days=30)
    early, late = (learn_record(lake, labels, as_of=moment) for moment in (as_of, END))
    assert 0 < early.evidence.num_rows < late.evidence.num_rows
    assert pc.max(early.evidence["known_at"]).as_py() < as_of


def test_a_trail_that_ends_where_its_label_became_known_never_meets_itself(lake, labels):
    only = labels.slice(0, 1)
    user, observed_at = only["user_id"][0].as_py(), only["observed_at"][0].as_py()
    trail = whole(lake).of_users(pa.array([user]))
    trail = trail.keep(pc.less(trail.events["event_time"], pa.scalar(observed_at, TIME)).to_numpy())
    counts = learn_record(lake, only, as_of=END).attach(trail).events[COLUMN].drop_null()
    assert len(counts) > 3
    assert pc.max(counts).as_py() == 0


def test_an_event_that_a_label_names_is_evidence_and_what_came_before_it_is_not(lake, events):
    mine = events.filter(pc.and_(pc.equal(events["user_id"], "u001"), events["item_id"].is_valid()))
    named = mine.slice(mine.num_rows - 1, 1)
    verdict = label("u001", END - timedelta(days=1), event=named["event_id"][0].as_py())
    record = learn_record(lake, label_table(verdict), as_of=END)
    assert record.evidence["item_id"].to_pylist() == named["item_id"].to_pylist()


def test_nothing_is_known_of_an_item_that_nobody_bad_touched(lake):
    counts = ItemRecord.empty().attach(whole(lake)).events[COLUMN].drop_null()
    assert len(counts) > 0
    assert pc.max(counts).as_py() == 0


def test_what_is_saved_is_what_is_loaded(lake, labels, tmp_path):
    record = learn_record(lake, labels, as_of=END)
    record.save(tmp_path)
    assert ItemRecord.load(tmp_path).evidence.equals(record.evidence)
    np.testing.assert_array_equal(record.evidence["item_id"].to_numpy(), sorted(record.evidence["item_id"].to_pylist()))
