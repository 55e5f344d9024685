"""When another user last acted on an item: exact, whoever acted, however often, on whichever day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.events import TIME, event_schema
from ml.contracts.lake import POPULAR_DAYS
from ml.sequences.build import Selection, build_sequences
from tests.trails import write_lake

START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + timedelta(days=200)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
LIMIT = POPULAR_DAYS * DAY

Row = tuple[str, str | None, datetime]  # user, item, time


def other_times(folder: Path, rows: list[Row], ids: list[str] | None = None) -> list[datetime | None]:
    """What the lake says of each row, in the rows' order."""
    users, items, times = zip(*rows, strict=True)
    ids = ids or [f"e{number:05d}" for number in range(len(rows))]
    names = ("event_id", "user_id", "event_time", "event_type", "item_id")
    cells = zip(ids, users, times, ["view"] * len(rows), items, strict=True)
    events = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in cells], schema=event_schema({}))
    found = build_sequences(write_lake(folder, events), Selection(END, 100_000)).events
    assert found["item_other_time"].type == TIME
    told = dict(zip(found["event_id"].to_pylist(), found["item_other_time"].to_pylist(), strict=True))
    return [told[event] for event in ids]


def by_looking_at_each_pair(rows: list[Row], ids: list[str]) -> list[datetime | None]:
    def before(index: int) -> datetime | None:
        user, item, time = rows[index]
        since = time.replace(hour=0, minute=0, second=0, microsecond=0) - LIMIT
        by_others = [
            (then, event)
            for event, (who, what, then) in zip(ids, rows, strict=True)
            if item is not None and what == item and who != user
        ]
        earlier = (then for then, event in by_others if since <= then and (then, event) < (time, ids[index]))
        return max(earlier, default=None)

    return [before(index) for index in range(len(rows))]


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_newest_of_all_pairs(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    count, users, items, days = 700, (2, 3, 5, 40)[seed % 4], (1, 6, 60)[seed % 3], (3, 45, 150)[seed % 3]
    moments = rng.integers(0, days, count) * 24 + rng.choice([0, 5, 23], count)  # few, so that many are the same
    acting, met = (rng.integers(most, size=count).tolist() for most in (users, items))
    rows = [
        (f"u{user}", f"i{item}" if rng.random() < 0.9 else None, START + DAY * moment / 24)
        for user, item, moment in zip(acting, met, moments.tolist(), strict=True)
    ]
    ids = [f"e{number:03d}" for number in rng.permutation(count)]
    expected = by_looking_at_each_pair(rows, ids)
    assert other_times(tmp_path, rows, ids) == expected
    assert 100 < sum(time is not None for time in expected) < count
    assert any(then == row[2] for then, row in zip(expected, rows, strict=True))


def test_ones_own_events_are_passed_over_however_many_days_they_take(tmp_path: Path):
    other = START + timedelta(hours=3)
    own = [("me", "i", START + timedelta(hours=hours)) for hours in (4, 5, 23, 30, 24 * 8, 24 * 20 + 7)]
    assert other_times(tmp_path, [("you", "i", other), *own]) == [None] + [other] * len(own)


def test_the_other_before_ones_own_last_visit_of_an_earlier_day_is_found(tmp_path: Path):
    rows = [("a", "i", START), ("me", "i", START + DAY / 2), ("b", "i", START + DAY), ("me", "i", START + 1.5 * DAY)]
    rows += [("me", "i", START + 2 * DAY)]
    assert other_times(tmp_path, rows) == [None, START, START + DAY / 2, START + DAY, START + DAY]


def test_it_looks_back_to_the_beginning_of_a_day_and_no_further(tmp_path: Path):
    noon = START + LIMIT + DAY / 2
    assert other_times(tmp_path / "at", [("you", "i", START), ("me", "i", noon)]) == [None, START]
    late = [("you", "i", START - MICROSECOND), ("me", "i", noon)]
    assert other_times(tmp_path / "before", late) == [None, None]


def test_events_of_one_moment_stand_in_the_order_of_their_ids(tmp_path: Path):
    rows = [("a", "i", START), ("b", "i", START), ("c", "i", START)]
    assert other_times(tmp_path, rows, ["2", "3", "1"]) == [START, START, None]


def test_neither_another_item_nor_none_counts(tmp_path: Path):
    rows = [("a", None, START), ("b", None, START + DAY), ("a", "i", START), ("b", "j", START + DAY)]
    assert other_times(tmp_path, rows) == [None] * 4
