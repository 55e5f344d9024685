"""Counterfeits are made of real events, and are no user's trail."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.sequences.build import Selection, build_sequences
from ml.sequences.counterfeits import KINDS, make_counterfeits
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from tests.trails import EXTRAS, START, random_events, write_lake

WINDOW = 12
CONTENT = ["event_type", "item_id", "channel", "device", "note"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Sequences:
    lake = write_lake(tmp_path_factory.mktemp("lake"), random_events(users=300, events=3000))
    found = build_sequences(lake, Selection(START + timedelta(days=60), WINDOW, keep="ends"))
    targets = pa.array(np.zeros(found.events.num_rows, np.int8))
    return Sequences(found.user_ids, found.offsets, found.events.append_column("target", targets))


@pytest.fixture(scope="module")
def made(real: Sequences) -> Sequences:
    return make_counterfeits(real, WINDOW, np.random.default_rng(0))


def of_kind(made: Sequences, kind: str) -> Sequences:
    found = made.keep(pc.starts_with(made.events["user_id"], f"\x00{kind}").to_numpy())
    assert len(found) > 50
    return found


def trails(sequences: Sequences, columns: list[str]) -> list[list[tuple]]:
    rows = [tuple(row.values()) for row in sequences.events.select(columns).to_pylist()]
    return [rows[begin:end] for begin, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)]


def test_there_are_about_as_many_as_real_users_of_every_kind_and_none_has_a_real_name(real, made):
    assert len(made) == pytest.approx(len(real), rel=0.15)
    assert {name[1:].split("-")[0] for name in made.user_ids.to_pylist()} == set(KINDS)
    assert not set(made.user_ids.to_pylist()) & set(real.user_ids.to_pylist())
    assert set(made.events["target"].to_pylist()) == {1}
    assert made.events.schema.equals(real.events.schema)


def test_each_looks_as_if_it_had_begun_with_its_first_event(made):
    np.testing.assert_array_equal(made.events["ordinal"].to_numpy(), made.positions + 1)
    first = made.events.take(pa.array(made.offsets[:-1]))
    assert first["previous_event_time"].null_count == len(made)
    assert first["first_event_time"].equals(first["event_time"])
    assert pc.all(pc.is_in(first["item_visit"].drop_null(), value_set=pa.array([1]))).as_py()


def test_a_segment_is_a_stretch_of_one_trail_from_its_middle(real, made):
    stretches = {
        tuple(trail[begin:end])
        for trail in trails(real, ["event_id", *CONTENT])
        for begin in range(1, len(trail))
        for end in range(begin + 1, len(trail) + 1)
    }
    assert set(map(tuple, trails(of_kind(made, "segment"), ["event_id", *CONTENT]))) <= stretches


def test_a_mixture_has_one_users_moments_and_many_users_events(real, made):
    moments = {tuple(trail) for trail in trails(real, ["event_id", "event_time", "session_id"])}
    mixtures = of_kind(made, "mixture")
    assert {tuple(trail) for trail in trails(mixtures, ["event_id", "event_time", "session_id"])} <= moments
    contents = {event for trail in trails(real, CONTENT) for event in trail}
    assert {event for trail in trails(mixtures, CONTENT) for event in trail} <= contents
    whole = {tuple(trail) for trail in trails(real, CONTENT)}
    assert not {tuple(trail) for trail in trails(mixtures, CONTENT) if len(trail) > 3} & whole


def test_the_last_other_visit_to_a_mixtures_item_is_as_long_ago_as_where_it_was_drawn(real, made):
    def ages(sequences: Sequences) -> set:
        ago = pc.subtract(sequences.events["event_time"], sequences.events["item_other_time"])
        return set(ago.drop_null().cast(pa.int64()).to_pylist())

    found = ages(of_kind(made, "mixture"))
    assert len(found) > 10
    assert found <= ages(real)


def test_an_exaggeration_is_hurried_magnified_or_stubborn(real, made):
    content = {tuple(trail) for trail in trails(real, [*CONTENT, "amount"])}
    begun = {tuple(trail) for trail in trails(real, ["event_time"])}
    found = of_kind(made, "exaggeration")
    stubborn = [len(set(trail)) == 1 for trail in trails(found, CONTENT)]
    moved = [tuple(trail) not in begun for trail in trails(found, ["event_time"])]
    other = [tuple(trail) not in content for trail in trails(found, [*CONTENT, "amount"])]
    assert 0.3 < np.mean(moved) < 0.7
    assert np.all(np.array(stubborn) | np.array(moved) | np.array(other))
    for trail in trails(found, ["event_time"]):
        assert trail == sorted(trail)


def test_one_seed_makes_the_same_and_another_makes_others(real, made):
    assert make_counterfeits(real, WINDOW, np.random.default_rng(0)).events.equals(made.events)
    assert not make_counterfeits(real, WINDOW, np.random.default_rng(1)).events.equals(made.events)


def test_users_of_a_single_event_have_counterfeits_too_though_no_segments(real):
    begins = real.first(1)
    made = make_counterfeits(begins, WINDOW, np.random.default_rng(0))
    assert {name[1:].split("-")[0] for name in made.user_ids.to_pylist()} == {"mixture", "exaggeration"}


def test_they_have_features_like_any_trail(real, made):
    featurizer = Featurizer.fit(real, extras=EXTRAS, window=WINDOW)
    steps = featurizer.transform(made)
    assert np.isfinite(steps.numeric).all()
    assert len(steps.numeric) == made.events.num_rows
