"""Events become sequences that know nothing of the future."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.contracts.events import TIME
from ml.contracts.intervals import Interval
from ml.errors import InputAbsent
from ml.sequences.build import PartitionOutOfOrder, Selection, WindowInvalid, build_sequences, stream_sequences
from ml.sequences.sequences import Sequences
from tests.trails import START, random_events, write_lake

END = START + timedelta(days=60)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def events() -> pa.Table:
    return random_events()


@pytest.fixture(scope="module")
def lake(events: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("events"), events)


@pytest.fixture(scope="module")
def whole(lake: Path) -> Sequences:
    return build_sequences(lake, Selection(before=END, window=1000))


def test_every_event_is_in_its_users_sequence_in_order(events: pa.Table, whole: Sequences):
    assert whole.events.num_rows == events.num_rows > 0
    assert whole.events.select(events.column_names).to_pylist() == events.to_pylist()
    assert whole.user_ids.to_pylist() == list(dict.fromkeys(events["user_id"].to_pylist()))
    assert whole.events["ordinal"].to_pylist() == (whole.positions + 1).tolist()


def test_future_events_change_no_past_value(lake: Path, events: pa.Table, tmp_path: Path):
    middle = START + timedelta(days=30)
    past = write_lake(tmp_path, events.filter(pc.less(events["event_time"], middle)))
    with_future = build_sequences(lake, Selection(before=middle, window=1000))
    without = build_sequences(past, Selection(before=middle, window=1000))
    assert with_future.events.equals(without.events)
    later = build_sequences(lake, Selection(before=END, window=1000)).events
    later = later.filter(pc.less(later["event_time"], middle)).drop(["remaining", "closes_day"])
    assert later.equals(without.events.drop(["remaining", "closes_day"]))


def test_a_closed_day_is_known_at_its_end(lake: Path, whole: Sequences):
    for days in (20, 31):
        known = build_sequences(lake, Selection(before=START + timedelta(days=days), window=1000)).events
        later = whole.events.filter(pc.less(whole.events["event_time"], START + timedelta(days=days)))
        assert known["closes_day"].equals(later["closes_day"])
    noon = build_sequences(lake, Selection(before=START + timedelta(days=20, hours=12), window=1000)).events
    today = noon.filter(pc.greater_equal(noon["event_time"], pa.scalar(START + timedelta(days=20), TIME)))
    assert today.num_rows > 0
    assert not any(today["closes_day"].to_pylist())


def test_item_popularity_counts_the_thirty_days_before_the_events_own_day(events: pa.Table, whole: Sequences):
    rows = events.to_pylist()
    for row in whole.events.to_pylist()[::7]:
        midnight = row["event_time"].replace(hour=0, minute=0, second=0, microsecond=0)
        earlier = [
            (other["user_id"], other["event_time"].date())
            for other in rows
            if other["item_id"] == row["item_id"] and midnight - 30 * DAY <= other["event_time"] < midnight
        ]
        expected = (len(earlier), len(set(earlier))) if row["item_id"] else (None, None)
        assert (row["item_events"], row["item_users"]) == expected


def test_an_item_is_new_to_a_user_once(whole: Sequences):
    met: set[tuple[str, str]] = set()
    for row in whole.events.to_pylist():
        pair = (row["user_id"], row["item_id"])
        assert (row["item_visit"] == 1) == (row["item_id"] is not None and pair not in met)
        met.add(pair)
    assert len(met) > 50


def test_a_window_cuts_rows_and_changes_none(lake: Path, whole: Sequences):
    rows = whole.events
    first, newest = (
        build_sequences(lake, Selection(before=END, window=5, keep=keep)).events for keep in ("first", "newest")
    )
    assert first.equals(rows.filter(pc.less_equal(rows["ordinal"], 5)))
    assert newest.equals(rows.filter(pc.less(rows["remaining"], 5)))
    ends = build_sequences(lake, Selection(before=END, window=5, keep="ends"))
    assert ends.first(5).events.equals(first)
    assert ends.newest(5).events.equals(newest)
    assert newest.num_rows < rows.num_rows


@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_no_user_is_split_however_small_the_batches(lake: Path, whole: Sequences, at_once: int):
    parts = list(stream_sequences(lake, Selection(END, 1000), at_once=at_once))
    users = [user for part in parts for user in part.user_ids.to_pylist()]
    assert users == whole.user_ids.to_pylist()
    assert Sequences.concat(parts).events.equals(whole.events)


def test_shards_part_the_users_and_change_no_value(lake: Path, whole: Sequences):
    parts = [build_sequences(lake, Selection(before=END, window=1000, shard=(index, 4))) for index in range(4)]
    assert all(0 < len(part) < len(whole) for part in parts)
    assert pa.concat_tables(part.events for part in parts).equals(whole.events)


def test_the_users_active_in_an_interval_bring_their_whole_trail(lake: Path, events: pa.Table, whole: Sequences):
    interval = Interval(START + 50 * DAY, START + 51 * DAY)
    active = build_sequences(lake, Selection(before=interval.end, window=1000, active_in=interval))
    expected = {row["user_id"] for row in events.to_pylist() if row["event_time"] in interval}
    assert set(active.user_ids.to_pylist()) == expected
    assert 0 < len(active) < len(whole)
    assert active.events["ordinal"].to_numpy().min() == 1


def test_only_the_wanted_users_are_built_and_nobody_where_none_is_wanted(lake: Path):
    assert build_sequences(lake, Selection(before=END, window=9, users=["u003", "u001"])).user_ids.to_pylist() == [
        "u003",
        "u001",
    ]
    assert len(build_sequences(lake, Selection(before=END, window=9, users=[]))) == 0


def test_what_a_user_does_after_their_end_is_left_out_of_their_trail_only(lake: Path, whole: Sequences):
    stop = START + 30 * DAY + timedelta(hours=6)
    until = pa.table({"user_id": ["u001"], "until": pa.array([stop], TIME)})
    ended = build_sequences(lake, Selection(before=END, window=1000, until=until)).events
    theirs = pc.equal(ended["user_id"], "u001")
    assert max(ended.filter(theirs)["event_time"].to_pylist()) < stop
    assert ended.filter(theirs)["closes_day"].to_pylist()[-1] is True
    others = whole.events.filter(pc.not_equal(whole.events["user_id"], "u001"))
    assert ended.filter(pc.invert(theirs)).equals(others)


def test_a_prefix_knows_neither_later_events_nor_that_the_day_ended_with_it(whole: Sequences):
    prefix = whole.prefix(3)
    assert prefix.lengths.max() == 3
    closes = prefix.events["closes_day"].to_numpy()
    assert not closes[prefix.events["ordinal"].to_numpy() == 3].any()
    assert closes[prefix.events["ordinal"].to_numpy() < 3].any()


def test_absent_partitions_and_senseless_windows_are_refused(lake: Path, tmp_path: Path):
    with pytest.raises(InputAbsent):
        build_sequences(tmp_path, Selection(before=END, window=5))
    with pytest.raises(InputAbsent):
        build_sequences(lake, Selection(before=START - DAY, window=5))
    with pytest.raises(WindowInvalid):
        build_sequences(lake, Selection(before=END, window=0))
    with pytest.raises(WindowInvalid):
        build_sequences(lake, Selection(before=END, window=5, shard=(2, 2)))


def test_offsets_point_at_the_boundaries(whole: Sequences):
    users = np.array(whole.events["user_id"].to_pylist())
    for index, user in enumerate(whole.user_ids.to_pylist()):
        assert set(users[whole.offsets[index] : whole.offsets[index + 1]]) == {user}
    assert whole.lengths.sum() == len(users)


@pytest.mark.parametrize("at_once", [1, 7, 50, 10_000])
def test_pieces_are_whole_users_in_order(whole: Sequences, at_once: int):
    pieces = list(whole.pieces(at_once))
    assert pa.concat_arrays([piece.user_ids for piece in pieces]).equals(whole.user_ids)
    assert pa.concat_tables([piece.events for piece in pieces]).equals(whole.events)
    for piece in pieces:
        assert piece.offsets[-1] == piece.events.num_rows
        assert piece.events["user_id"].unique().equals(piece.user_ids)
        assert piece.events.num_rows - piece.lengths[-1] < at_once


def test_nobody_comes_in_no_pieces(whole: Sequences):
    assert not list(whole.keep(np.zeros(whole.events.num_rows, bool)).pieces(10))


def test_a_partition_out_of_order_is_refused(lake: Path, tmp_path: Path):
    broken = Path(shutil.copytree(lake, tmp_path / "events"))
    for file in broken.glob("ds=*/*.parquet"):
        pq.write_table(pq.read_table(file, partitioning=None).sort_by([("event_time", "descending")]), file)
    with pytest.raises(PartitionOutOfOrder, match="event_id=e"):
        build_sequences(broken, Selection(before=END, window=8))
