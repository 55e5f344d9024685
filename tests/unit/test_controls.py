"""Controls take from a trail what they say, and nothing else."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
import pytest

from ml.comparison.controls import CONTROLS, keep_length, remove_time, shuffle_order
from ml.sequences.build import Selection, build_sequences
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from tests.trails import EXTRAS, START, random_events, write_lake


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Sequences:
    lake = write_lake(tmp_path_factory.mktemp("lake"), random_events())
    return build_sequences(lake, Selection(START + timedelta(days=60), 12, keep="newest"))


def varying(sequences: Sequences) -> set[str]:
    """Names of the features that differ between any two events."""
    return set(Featurizer.fit(sequences, extras=EXTRAS, window=12).means)


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS.keys())
def test_a_control_leaves_the_same_users_with_as_many_events(sequences, control):
    found = control(sequences)
    assert found.user_ids.equals(sequences.user_ids)
    np.testing.assert_array_equal(found.offsets, sequences.offsets)
    assert found.events.schema.equals(sequences.events.schema)
    for name in ("user_id", "ordinal", "remaining"):
        assert found.events[name].equals(sequences.events[name])


def test_of_length_alone_only_counts_of_events_are_left(sequences):
    counts = {"ordinal", "session_events", "session_age", "events_per_session", "sessions"}
    assert {"ordinal"} <= varying(keep_length(sequences)) - {"events_in_5m", "events_in_1h", "events_in_1d"} <= counts


def test_without_time_nothing_of_pace_or_hour_is_left_and_the_rest_is(sequences):
    left = varying(remove_time(sequences))
    assert not {"gap", "gap_mean", "account_age", "hour_sin", "weekday_cos", "item_gap", "closes_day"} & left
    assert {"same_item_share", "distinct_items", "price", "event_type_share=view", "item_events"} <= left


def test_a_shuffled_trail_holds_the_same_events_and_pauses_in_another_order(sequences):
    found = shuffle_order(sequences)
    before, after = sequences.events, found.events
    starts = sequences.offsets[:-1]
    moved = 0
    for start, end in zip(starts, sequences.offsets[1:], strict=True):
        old, new = (events.slice(start, end - start) for events in (before, after))
        for name in ("event_type", "item_id", "price", "note"):
            assert sorted(map(str, old[name].to_pylist())) == sorted(map(str, new[name].to_pylist()))
        pauses = [np.diff(part["event_time"].cast("int64").to_numpy()) for part in (old, new)]
        assert pauses[1].min(initial=0) >= 0
        assert sorted(pauses[0]) == sorted(pauses[1])
        moved += not old["price"].equals(new["price"])
    assert moved > 20
    assert after["event_time"].take(starts).equals(before["event_time"].take(starts))


def test_what_follows_from_the_order_is_made_anew(sequences):
    events = shuffle_order(sequences).events.to_pylist()
    for earlier, later in pairwise(events):
        if earlier["user_id"] == later["user_id"]:
            assert later["previous_event_time"] == earlier["event_time"]
            assert later["same_type"] == (later["event_type"] == earlier["event_type"])
            assert later["same_item"] == (later["item_id"] is not None and later["item_id"] == earlier["item_id"])
    first = [event["item_visit"] for event in events if event["item_id"] is not None]
    assert min(first) == 1


def test_a_shuffled_item_was_left_by_others_as_long_ago_as_before(sequences):
    def pauses(trails: Sequences) -> list[int]:
        since = pc.subtract(trails.events["event_time"], trails.events["item_other_time"])
        return sorted(since.cast("int64").drop_null().to_pylist())

    assert pauses(shuffle_order(sequences)) == pauses(sequences)
    assert len(pauses(sequences)) > 50


def test_the_same_trails_are_shuffled_in_the_same_way(sequences):
    assert shuffle_order(sequences).events.equals(shuffle_order(sequences).events)
