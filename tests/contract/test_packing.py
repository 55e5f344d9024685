"""A packed batch computes what the model computes for each user alone, with little padding."""

import keras
import numpy as np
import pytest

from ml.models.config import Architecture
from ml.models.infer import infer_logits
from ml.training.batches import FEWEST_STEPS, PackedBatches
from ml.training.packing import pack_blocks, pack_segments
from ml.training.steps import TargetedSteps
from ml.training.trainer import build_trainer, choose_pack
from tests.drawn_steps import drawn_steps, events_of, featurizer_of, small_model

WINDOW, USERS, PER_STEP = 50, 90, 30
PACKS = pytest.mark.parametrize("pack", [pack_segments, pack_blocks])


@pytest.fixture(scope="module")
def data() -> TargetedSteps:
    return drawn_steps(USERS, WINDOW)


def deal(data: TargetedSteps, pack: object, **workers: int) -> PackedBatches:
    return PackedBatches(data, featurizer_of(WINDOW), pack, users_per_step=PER_STEP, seed=5, **workers)


@PACKS
def test_every_event_is_seen_once_in_a_pass_and_each_pass_deals_anew(data: TargetedSteps, pack: object):
    batches = deal(data, pack)
    seen = [[events_of(batch, data) for batch in batches.epoch(number)] for number in (0, 0, 1)]
    passes = [epoch[begin : begin + 3] for epoch in seen for begin in range(0, len(epoch), 3)]
    for one in passes:
        assert sorted(np.concatenate(one).tolist()) == list(range(len(data.targets)))
    assert all((one == two).all() for one, two in zip(seen[0], seen[1], strict=True))
    hands = {frozenset(frozenset(part.tolist()) for part in one) for one in passes}
    assert len(hands) == len(passes) - batches.passes, "the first epoch was dealt twice, and no other pass again"


@pytest.mark.parametrize(("users", "passes"), [(USERS, FEWEST_STEPS // 3), (FEWEST_STEPS * PER_STEP, 1)])
def test_an_epoch_over_few_users_is_several_passes(users: int, passes: int):
    batches = deal(drawn_steps(users, WINDOW), pack_segments)
    assert batches.passes == passes
    assert len(batches) == FEWEST_STEPS == sum(1 for _ in batches.epoch(0))


@PACKS
def test_every_step_has_its_share_of_each_length(data: TargetedSteps, pack: object):
    batches = deal(data, pack)
    users = np.repeat(np.arange(USERS), data.steps.lengths)
    for batch in batches.epoch(0):
        found = np.unique(users[events_of(batch, data)])
        counts = np.bincount(batches.dealer.bucket[found], minlength=4)
        assert np.abs(counts - np.bincount(batches.dealer.bucket, minlength=4) / len(batches.dealer)).max() <= 1
        assert len(found) == PER_STEP


@pytest.mark.parametrize("architecture", list(Architecture))
def test_packed_logits_are_the_models_own(data: TargetedSteps, architecture: Architecture):
    model = small_model(architecture)
    batches = deal(data, choose_pack(model))
    trainer, alone = build_trainer(model, batches.packing), infer_logits(model, data.steps)
    for batch in batches.epoch(0):
        logits = keras.ops.convert_to_numpy(trainer(batch.inputs, training=False))[0, :, 0]
        assert np.abs(logits[batch.weights[0] > 0] - alone[events_of(batch, data)]).max() < 1e-5


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
