"""The gradient of a packed step, ours for recurrent layers, is what Keras derives of the padded model."""

import keras
import numpy as np
import pytest

from ml.models.config import Architecture
from ml.sequences.batches import Batch, pad, pad_values
from ml.training.batches import PackedBatches
from ml.training.trainer import build_trainer, choose_pack
from tests.drawn_steps import drawn_steps, events_of, featurizer_of, small_model, trained_weights

WINDOW, USERS, PER_STEP = 50, 90, 30


@pytest.mark.parametrize("architecture", list(Architecture))
def test_a_packed_step_moves_the_weights_as_padding_to_the_window_does(architecture: Architecture):
    loss = keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum")
    data = drawn_steps(USERS, WINDOW)
    packed, padded = small_model(architecture), small_model(architecture)
    batches = PackedBatches(data, featurizer_of(WINDOW), choose_pack(packed), users_per_step=PER_STEP, seed=5)
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

    sides = (trained_weights(model) for model in (packed, padded, small_model(architecture)))
    for mine, theirs, before in zip(*sides, strict=True):
        assert np.abs(theirs - before).max() > 1e-4
        assert np.abs(mine - theirs).max() < 1e-5
