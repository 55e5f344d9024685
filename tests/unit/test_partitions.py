"""Published partitions hold what every reader needs, whatever the order in which days were published."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.contracts.lake import BUCKETS, bucket_range, buckets_of, part, pending_since
from ml.errors import InputAbsent
from ml.ingest import partitions
from ml.ingest.partitions import publish_days
from ml.sequences.build import Selection, build_sequences
from tests.trails import random_events

Publish = Callable[..., None]
DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(40)]
END = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> dict[date, Path]:
    """Forty days, one of them without events."""
    folder, events = tmp_path_factory.mktemp("staged"), random_events(days=40)
    days = pc.strftime(events["event_time"], "%Y-%m-%d")
    found = {}
    for day in DAYS:
        found[day] = folder / f"{day}.parquet"
        if day != DAYS[17]:
            pq.write_table(events.filter(pc.equal(days, str(day))), found[day])
    return found


def contents(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def popularity(root: Path, day: date) -> pa.Table:
    columns = ["event_id", "item_id", "item_events", "item_users", "item_other_time"]
    return pq.read_table(part(root / "events", day), partitioning=None).select(columns)


def test_days_published_in_any_order_and_twice_are_the_same_files(staged: dict[date, Path], tmp_path: Path):
    publish_days(tmp_path / "at-once", staged)
    weeks = [DAYS[first : first + 7] for first in range(0, len(DAYS), 7)]
    orders = {"day by day": [[day] for day in DAYS], "backwards": weeks[::-1], "twice": [*weeks, weeks[1], weeks[0]]}
    for name, order in orders.items():
        for days in order:
            publish_days(tmp_path / name, {day: staged[day] for day in days})
        assert contents(tmp_path / name) == contents(tmp_path / "at-once"), name
    assert len(contents(tmp_path / "at-once")) == 2 * 39
    assert not part(tmp_path / "at-once" / "events", DAYS[17]).parent.exists()


def test_a_repaired_day_renews_the_popularity_of_the_thirty_days_after_it_and_no_other(
    staged: dict[date, Path], tmp_path: Path
):
    publish_days(tmp_path, staged)
    before = {day: popularity(tmp_path, day) for day in DAYS if day != DAYS[17]}
    publish_days(tmp_path, {DAYS[5]: tmp_path / "nothing.parquet"})
    assert not part(tmp_path / "events", DAYS[5]).exists()
    renewed = [day for day, rows in before.items() if day != DAYS[5] and popularity(tmp_path, day) != rows]
    assert len(renewed) > 15
    assert min(renewed) > DAYS[5]
    assert max(renewed) <= DAYS[35]
    without = {day: path for day, path in staged.items() if day != DAYS[5]}
    publish_days(tmp_path.parent / "without", without)
    assert contents(tmp_path) == contents(tmp_path.parent / "without")


def test_a_publisher_that_dies_leaves_a_mark_until_the_days_are_published_again(
    staged: dict[date, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    publish_days(tmp_path, {day: staged[day] for day in DAYS[:30]})
    repaired = {DAYS[10]: staged[DAYS[31]]}
    place, placed = partitions._place, []

    def die(folder: Path, day: date, rows: pa.Table | None) -> None:
        if len(placed) == 4:
            raise OSError("disk full")
        placed.append(day)
        place(folder, day, rows)

    with monkeypatch.context() as broken:
        broken.setattr(partitions, "_place", die)
        with pytest.raises(OSError, match="disk full"):
            publish_days(tmp_path, repaired)
    assert pending_since(tmp_path / "events") == DAYS[10]
    with pytest.raises(InputAbsent, match="2024-01-11"):
        build_sequences(tmp_path / "events", Selection(END, 5))
    assert len(build_sequences(tmp_path / "events", Selection(datetime(2024, 1, 10, tzinfo=UTC), 5))) > 0

    publish_days(tmp_path, repaired)
    assert pending_since(tmp_path / "events") is None
    whole = {day: staged[day] for day in DAYS[:30]} | repaired
    publish_days(tmp_path.parent / "whole", whole)
    assert contents(tmp_path) == contents(tmp_path.parent / "whole")


def test_a_lake_of_an_earlier_version_is_right_once_its_days_were_published_again(
    staged: dict[date, Path], tmp_path: Path
):
    days = {day: staged[day] for day in DAYS[:8]}
    for name in ("new", "old"):
        publish_days(tmp_path / name, days)
    for file in (tmp_path / "old" / "items").rglob("*.parquet"):
        pq.write_table(pq.read_table(file, partitioning=None).select(["item_id", "events", "users"]), file)
    for day in sorted(days, key=lambda day: (day.day % 3, day)):
        publish_days(tmp_path / "old", {day: days[day]})
    assert contents(tmp_path / "old") == contents(tmp_path / "new")


def test_shards_cut_the_buckets_into_ranges_without_gap_or_overlap():
    for of in (1, 3, 7, 64):
        ranges = [bucket_range((index, of)) for index in range(of)]
        assert [first for first, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
        assert ranges[-1][1] == BUCKETS


def test_a_users_bucket_never_changes_and_users_spread_evenly():
    assert buckets_of(["u1", "", "Zürich"]).tolist() == [16975, 0, 54027]
    counts = np.bincount(buckets_of([f"user-{number}" for number in range(20_000)]) * 10 // BUCKETS)
    assert len(counts) == 10
    assert 1800 < counts.min() <= counts.max() < 2200
