from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pyarrow as pa
import pytest

from ml.contracts.labels import LABEL_SCHEMA
from ml.ingest.accounting import Accounting
from ml.ingest.label_store import LabelStore

MOMENT = datetime(2014, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MARCH_1 = datetime(2014, 3, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


def label(user: str, observed_at: datetime = MOMENT, **changed: object) -> dict[str, object]:
    return {
        "user_id": user,
        "event_id": None,
        "label": 1,
        "kind": "bot",
        "source": "moderators",
        "confidence": 0.1 + 0.2,  # 0.30000000000000004: no digit may be lost
        "observed_at": observed_at,
    } | changed


def table(*labels: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(labels), schema=LABEL_SCHEMA)


DAY = Accounting(ds="2014-03-01", rows_in=10, accepted=7, duplicate=2, quarantined=1)


@pytest.fixture
def store(url_of: Callable[[str], str], empty_labels: Callable[[], None]) -> LabelStore:
    empty_labels()
    return LabelStore(url_of("trailguard_writer"))


def partitions(store: LabelStore) -> list[tuple]:
    with closing(psycopg2.connect(store.url)) as session, session.cursor() as rows:
        rows.execute(
            "SELECT kind, interval_start, interval_end, rows_in, accepted, duplicate, quarantined"
            " FROM ingested_partition"
        )
        return rows.fetchall()


def test_labels_come_back_as_they_were_appended(store: LabelStore):
    labels = table(
        label("ann"), label("bob", event_id="review-7", kind="fake_review"), label("cem", label=0, kind="none")
    )
    assert store.append(labels) == 3
    assert store.known_at(MOMENT + SECOND).equals(labels)


def test_a_replayed_drop_adds_nothing(store: LabelStore):
    drop = table(label("ann"), label("bob"), label("ann"))
    assert store.append(drop) == 2
    assert store.append(drop) == 0
    assert store.append(table(label("ann"), label("ann", MOMENT + SECOND))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": "bob"},
        {"event_id": ""},
        {"label": 0, "kind": "none"},
        {"kind": "fraud"},
        {"source": "chargeback"},
        {"confidence": 0.3},
        {"observed_at": MOMENT + timedelta(microseconds=1)},
    ],
)
def test_a_verdict_that_differs_in_one_column_is_another_verdict(store: LabelStore, changed: dict[str, object]):
    assert store.append(table(label("ann"), label("ann") | changed)) == 2


def test_text_that_moves_between_columns_is_another_verdict(store: LabelStore):
    assert store.append(table(label("a", event_id="bc"), label("ab", event_id="c"), label('a", "bc'))) == 3


def test_a_label_is_known_only_after_it_was_observed(store: LabelStore):
    store.append(table(label("ann"), label("bob", MOMENT + SECOND)))
    known = {moment: store.known_at(moment)["user_id"].to_pylist() for moment in (MOMENT, MOMENT + SECOND)}
    assert known == {MOMENT: [], MOMENT + SECOND: ["ann"]}
    assert store.known_at(MOMENT + 2 * SECOND)["user_id"].to_pylist() == ["ann", "bob"]
    assert store.known_at(MOMENT).schema.equals(LABEL_SCHEMA)


def test_a_late_drop_changes_nothing_that_was_known_before(store: LabelStore):
    store.append(table(label("ann")))
    before = store.known_at(MOMENT + SECOND)
    store.append(table(label("bob", MOMENT + SECOND), label("ann", MOMENT + SECOND, label=0, kind="none")))
    assert store.known_at(MOMENT + SECOND).equals(before)


def test_an_empty_drop_adds_nothing(store: LabelStore):
    assert store.append(LABEL_SCHEMA.empty_table()) == 0


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("label_is_zero_or_one", {"label": 2}),
        ("only_a_bad_label_has_a_kind", {"label": 0}),
        ("only_a_bad_label_has_a_kind", {"kind": "none"}),
        ("confidence_is_above_zero", {"confidence": 0.0}),
        ("confidence_is_above_zero", {"confidence": float("nan")}),
    ],
)
def test_a_label_that_breaks_the_contract_stops_its_whole_drop(store: LabelStore, constraint: str, changed: dict):
    with pytest.raises(psycopg2.errors.CheckViolation, match=constraint):
        store.append(table(label("bob"), label("ann", **changed)))
    assert len(store.known_at(MOMENT + SECOND)) == 0


def test_writers_of_overlapping_drops_add_each_label_once(store: LabelStore):
    drops = [table(*(label(f"user-{number}") for number in order)) for order in (range(500), range(499, -1, -1))]
    with ThreadPoolExecutor(4) as writers:
        assert sum(writers.map(store.append, drops * 2)) == 500


def test_a_day_that_is_read_again_is_recorded_anew(store: LabelStore):
    store.record_partitions("labels", [DAY, replace(DAY, ds="2014-03-02")])
    store.record_partitions("labels", [replace(DAY, rows_in=11, accepted=8)])
    store.record_partitions("events", [DAY])
    assert sorted(partitions(store)) == [
        ("events", MARCH_1, MARCH_1 + ONE_DAY, 10, 7, 2, 1),
        ("labels", MARCH_1, MARCH_1 + ONE_DAY, 11, 8, 2, 1),
        ("labels", MARCH_1 + ONE_DAY, MARCH_1 + 2 * ONE_DAY, 10, 7, 2, 1),
    ]


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [("rows_add_up", {"rows_in": 11}), ("counts_are_not_negative", {"duplicate": -2, "accepted": 11})],
)
def test_a_day_whose_rows_do_not_add_up_is_refused(store: LabelStore, constraint: str, changed: dict):
    with pytest.raises(psycopg2.errors.CheckViolation, match=constraint):
        store.record_partitions("labels", [replace(DAY, ds="2014-03-02"), replace(DAY, **changed)])
    assert partitions(store) == []
