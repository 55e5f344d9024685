"""A packed batch computes what the model computes for each user alone, with little padding."""

import keras
import numpy as np
import pytest

from ml.models.config import Architecture
from ml.models.infer import infer_logits
from ml.sequences.batches import Batch, pad, pad_values
from ml.training.batches import PackedBatch, PackedBatches
from ml.training.packing import pack_blocks, pack_segments
from ml.training.steps import TargetedSteps
from ml.training.trainer import build_trainer, choose_pack
from tests.drawn_steps import drawn_steps, featurizer_of, small_model

WINDOW, USERS, PER_STEP = 50, 90, 30
PACKS = pytest.mark.parametrize("pack", [pack_segments, pack_blocks])
ARCHITECTURES = pytest.mark.parametrize("architecture", list(Architecture))


@pytest.fixture(scope="module")
def data() -> TargetedSteps:
    return drawn_steps(USERS, WINDOW)


def deal(data: TargetedSteps, pack: object, **workers: int) -> PackedBatches:
    return PackedBatches(data, featurizer_of(WINDOW), pack, users_per_step=PER_STEP, seed=5, **workers)


def events_of(batch: PackedBatch, data: TargetedSteps) -> np.ndarray:
    """The event rows that a batch holds, found by their inputs, in the order of the batch's real steps."""
    known = {tuple(row): index for index, row in enumerate(data.steps.numeric.tolist())}
    return np.array([known[tuple(row)] for row in batch.inputs["numeric"][0][batch.weights[0] > 0].tolist()])


@PACKS
def test_every_event_is_seen_once_in_an_epoch_and_each_epoch_deals_anew(data: TargetedSteps, pack: object):
    batches = deal(data, pack)
    seen = [[events_of(batch, data) for batch in batches.epoch(number)] for number in (0, 0, 1)]
    for epoch in seen:
        assert sorted(np.concatenate(epoch).tolist()) == list(range(len(data.targets)))
    assert all((one == two).all() for one, two in zip(seen[0], seen[1], strict=True))
    assert {frozenset(part.tolist()) for part in seen[0]} != {frozenset(part.tolist()) for part in seen[2]}


@PACKS
def test_every_step_has_its_share_of_each_length(data: TargetedSteps, pack: object):
    batches = deal(data, pack)
    users = np.repeat(np.arange(USERS), data.steps.lengths)
    for batch in batches.epoch(0):
        found = np.unique(users[events_of(batch, data)])
        counts = np.bincount(batches.bucket[found], minlength=4)
        assert np.abs(counts - np.bincount(batches.bucket, minlength=4) / len(batches)).max() <= 1
        assert len(found) == PER_STEP


@ARCHITECTURES
def test_packed_logits_are_the_models_own(data: TargetedSteps, architecture: Architecture):
    model = small_model(architecture)
    batches = deal(data, choose_pack(model))
    trainer, alone = build_trainer(model, batches.packing), infer_logits(model, data.steps)
    for batch in batches.epoch(0):
        logits = keras.ops.convert_to_numpy(trainer(batch.inputs, training=False))[0, :, 0]
        assert np.abs(logits[batch.weights[0] > 0] - alone[events_of(batch, data)]).max() < 1e-5


@ARCHITECTURES
def test_a_packed_step_moves_the_weights_as_padding_to_the_window_does(data: TargetedSteps, architecture: Architecture):
    loss = keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum")
    packed, padded = small_model(architecture), small_model(architecture)
    batches = deal(data, choose_pack(packed))
    batch = next(batches.epoch(0))
    events = events_of(batch, data)
    users = np.unique(np.repeat(np.arange(USERS), data.steps.lengths)[events])
    whole = Batch(users, WINDOW)
    targets, weights = (
        pad_values(values, data.steps.offsets, whole)[..., None] for values in (data.targets, data.open_weights)
    )

    trainer = build_trainer(packed, batches.packing)
    trainer.compile(keras.optimizers.SGD(1.0), loss, jit_compile=True)
    trainer.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights)
    inputs = {name: keras.Input(given.shape[1:], dtype=given.dtype, name=name) for name, given in padded.input.items()}
    peer = keras.Model(inputs, keras.ops.expand_dims(padded(inputs), -1))
    peer.compile(keras.optimizers.SGD(1.0), loss)
    peer.train_on_batch(pad(data.steps, whole), targets, sample_weight=weights[..., 0] / PER_STEP)

    start = small_model(architecture).get_weights()
    for mine, theirs, before in zip(packed.get_weights(), padded.get_weights(), start, strict=True):
        assert np.abs(theirs - before).max() > 1e-4
        assert np.abs(mine - theirs).max() < 1e-5


@PACKS
def test_workers_share_what_one_would_see(data: TargetedSteps, pack: object):
    together = [set(events_of(batch, data).tolist()) for batch in deal(data, pack).epoch(3)]
    shares = [deal(data, pack, rank=rank, workers=2) for rank in range(2)]
    assert shares[0].packing == shares[1].packing
    for whole, *parts in zip(together, *(share.epoch(3) for share in shares), strict=True):
        first, second = (set(events_of(part, data).tolist()) for part in parts)
        assert first
        assert second
        assert not first & second
        assert first | second == whole


def test_skewed_lengths_leave_little_padding(data: TargetedSteps):
    real, held = len(data.targets), 3 * len(deal(data, pack_segments).packing.rows)
    assert held < 1.6 * real < USERS * WINDOW / 2
