"""The featurizer: declared columns in, causal and undated model inputs out."""

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.contracts.events import Kind
from ml.sequences.batches import BUCKETS, pack_batches, pad, pad_values, plan_batches, unpad
from ml.sequences.behaviour import describe_steps
from ml.sequences.build import Selection, build_sequences
from ml.sequences.features import UNKNOWN, ColumnAbsent, Featurizer
from ml.sequences.item_record import ItemRecord
from ml.sequences.sequences import Sequences
from tests.trails import EXTRAS, START, random_events, write_lake

END = START + timedelta(days=60)


def build(folder: Path, events: pa.Table, *, window: int = 50) -> Sequences:
    before = max(events["event_time"].to_pylist()).replace(hour=0) + timedelta(days=1)
    return build_sequences(write_lake(folder, events), Selection(before, window))


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Sequences:
    return build(tmp_path_factory.mktemp("events"), random_events())


@pytest.fixture(scope="module")
def featurizer(sequences: Sequences) -> Featurizer:
    return Featurizer.fit(sequences, extras=EXTRAS, window=50)


def test_inputs_are_finite_standardised_and_named(sequences: Sequences, featurizer: Featurizer):
    steps = featurizer.transform(sequences)
    assert steps.numeric.shape == (sequences.events.num_rows, len(featurizer.numeric_names))
    assert steps.categorical.shape == (sequences.events.num_rows, len(featurizer.categorical_names))
    assert np.isfinite(steps.numeric).all()
    assert np.abs(steps.numeric[:, : len(featurizer.means)].mean(axis=0)).max() < 0.2
    assert (steps.categorical >= UNKNOWN).all()
    assert (steps.categorical.max(axis=0) < featurizer.vocabulary_sizes).all()
    assert len(set(featurizer.numeric_names)) == len(featurizer.numeric_names) > 40


def test_an_extra_reaches_the_model_by_declaration_alone(sequences: Sequences, featurizer: Featurizer):
    bare = Featurizer.fit(sequences, extras={}, window=50)
    added = set(featurizer.numeric_names) - set(bare.numeric_names)
    assert {"price", "price_mean", "price_unknown", "note_length", "note_repeated", "device_share=phone"} <= added
    assert set(featurizer.categorical_names) - set(bare.categorical_names) == {"device", "note"}


def test_a_step_knows_nothing_of_later_steps(sequences: Sequences, featurizer: Featurizer):
    whole, prefix = featurizer.transform(sequences), featurizer.transform(sequences.first(4))
    kept = sequences.events["ordinal"].to_numpy() <= 4
    np.testing.assert_array_equal(whole.numeric[kept], prefix.numeric)
    np.testing.assert_array_equal(whole.categorical[kept], prefix.categorical)


def test_a_user_looks_the_same_in_any_company(sequences: Sequences, featurizer: Featurizer):
    together = featurizer.transform(sequences)
    for index in (0, 7, len(sequences) - 1):
        rows = slice(sequences.offsets[index], sequences.offsets[index + 1])
        alone = featurizer.transform(sequences.of_users(sequences.user_ids[index : index + 1]))
        np.testing.assert_array_equal(together.numeric[rows], alone.numeric)
        np.testing.assert_array_equal(together.categorical[rows], alone.categorical)


def test_the_absolute_date_never_shows(sequences: Sequences, featurizer: Featurizer, tmp_path: Path):
    events = random_events()
    years_later = pc.add(events["event_time"], pa.scalar(timedelta(weeks=520), pa.duration("us")))
    index = events.column_names.index("event_time")
    moved = build(tmp_path, events.set_column(index, events.schema.field("event_time"), years_later))
    np.testing.assert_allclose(featurizer.transform(moved).numeric, featurizer.transform(sequences).numeric, atol=1e-5)


def test_values_never_seen_in_training_are_unknown(sequences: Sequences, featurizer: Featurizer):
    index = sequences.events.column_names.index("event_type")
    strange = sequences.events.set_column(index, "event_type", pa.array(["teleport"] * sequences.events.num_rows))
    steps = featurizer.transform(replace(sequences, events=strange))
    assert (steps.categorical[:, featurizer.categorical_names.index("event_type")] == UNKNOWN).all()


def test_it_survives_its_file(sequences: Sequences, featurizer: Featurizer, tmp_path: Path):
    featurizer.save(tmp_path)
    loaded = Featurizer.load(tmp_path)
    assert loaded == featurizer
    np.testing.assert_array_equal(loaded.transform(sequences).numeric, featurizer.transform(sequences).numeric)


def test_a_missing_declared_column_is_named(sequences: Sequences, featurizer: Featurizer):
    lacking = replace(sequences, events=sequences.events.drop(["price"]))
    with pytest.raises(ColumnAbsent, match="price"):
        featurizer.transform(lacking)
    with pytest.raises(ColumnAbsent, match="smell"):
        Featurizer.fit(sequences, extras={"smell": Kind.CATEGORICAL}, window=50)


def test_a_lake_or_snapshot_of_an_earlier_version_is_refused(sequences: Sequences, featurizer: Featurizer):
    with pytest.raises(ColumnAbsent, match="item_other_time"):
        featurizer.transform(replace(sequences, events=sequences.events.drop(["item_other_time"])))


def test_how_long_ago_another_user_was_at_the_item_is_known_to_the_second(sequences: Sequences, featurizer: Featurizer):
    rows, described = sequences.events.to_pylist(), describe_steps(ItemRecord.empty().attach(sequences), EXTRAS)
    expected = [
        math.log1p((row["event_time"] - row["item_other_time"]).total_seconds()) if row["item_other_time"] else math.nan
        for row in rows
    ]
    np.testing.assert_allclose(described["item_gap"], expected)
    assert len({row["item_other_time"] for row in rows}) > 100
    trail = expected[: sequences.offsets[1]]
    known = [gap for gap in trail if not math.isnan(gap)]
    assert 1 < len(known) < len(trail)
    last = sequences.offsets[1] - 1
    np.testing.assert_allclose(described["item_gap_mean"][last], np.mean(known), atol=1e-5)
    np.testing.assert_allclose(described["item_gap_min"][last], min(known), atol=1e-5)
    assert {"item_gap", "item_gap_mean", "item_gap_min", "item_gap_unknown"} <= set(featurizer.numeric_names)
    assert "item_gap" in featurizer.single_event_names


def test_what_never_varies_is_left_out(tmp_path: Path):
    events = random_events()
    index = events.column_names.index("amount")
    plain = events.set_column(index, events.schema.field("amount"), pa.nulls(len(events), pa.float64()))
    featurizer = Featurizer.fit(build(tmp_path, plain), extras={}, window=50)
    assert "gap" in featurizer.numeric_names
    assert not [name for name in featurizer.numeric_names if name.startswith("amount")]


def test_nobody_gives_no_steps(sequences: Sequences, featurizer: Featurizer):
    steps = featurizer.transform(sequences.of_users(pa.array([], pa.string())))
    assert steps.numeric.shape == (0, len(featurizer.numeric_names))
    assert len(steps.lengths) == 0


def test_batches_hold_every_user_once_within_the_budget():
    lengths = np.random.default_rng(0).geometric(0.05, 500)
    batches = plan_batches(lengths, tokens=256)
    assert sorted(np.concatenate([batch.users for batch in batches]).tolist()) == list(range(500))
    for batch in batches:
        assert batch.length >= lengths[batch.users].max()
        assert len(batch.users) * batch.length <= 256 or len(batch.users) == 1
    padding = sum(len(batch.users) * batch.length for batch in batches) / lengths.sum()
    assert padding < 1.35


@pytest.mark.parametrize("window", [64, 256])
def test_packed_batches_hold_every_user_once_with_little_padding(window: int):
    lengths = np.clip(np.random.default_rng(0).lognormal(np.log(24) - 0.6, 1.1, 20_000).astype(int), 1, window)
    batches = pack_batches(lengths, tokens=4096)
    assert sorted(np.concatenate([batch.users for batch in batches]).tolist()) == list(range(20_000))
    assert all(batch.length == lengths[batch.users].max() for batch in batches)
    assert all(len(batch.users) * batch.length <= 4096 for batch in batches)
    assert sum(len(batch.users) * batch.length for batch in batches) < lengths.sum() / 0.9


def test_a_trail_longer_than_the_budget_is_a_batch_of_its_own():
    assert [batch.users.tolist() for batch in pack_batches(np.array([3, 50, 60]), tokens=10)] == [[2], [1], [0]]
    assert pack_batches(np.array([], int), tokens=10) == []


def test_trails_beyond_the_last_bucket_are_padded_too():
    lengths = np.array([1, BUCKETS[-1] + 1, 3 * BUCKETS[-1]])
    assert {batch.length for batch in plan_batches(lengths, tokens=10)} == {1, 2 * BUCKETS[-1], 3 * BUCKETS[-1]}


def test_unpadding_gives_back_what_was_padded(sequences: Sequences, featurizer: Featurizer):
    steps = featurizer.transform(sequences)
    back = np.full(steps.numeric.shape[0], np.nan)
    for batch in plan_batches(steps.lengths, tokens=128):
        inputs = pad(steps, batch)
        assert inputs["categorical"].shape[:2] == (len(batch.users), batch.length)
        values = pad_values(steps.numeric[:, 0], steps.offsets, batch)
        np.testing.assert_array_equal(values, inputs["numeric"][..., 0])
        rows, given = unpad(values, steps.offsets, batch)
        back[rows] = given
        assert (inputs["categorical"] == 0).sum() == (batch.length * len(batch.users) - len(rows)) * len(
            featurizer.categorical_names
        )
    np.testing.assert_array_equal(back, steps.numeric[:, 0])
