"""A trail as one vector from which it can be told again: a recurrent autoencoder that learns from good trails alone.

Backend-neutral Keras 3. After Zheng, Yuan, Wu, Li, Lu 2019, "One-Class Adversarial Nets for Fraud Detection", section
4.
"""

from collections.abc import Iterator

import keras
import numpy as np
from keras import layers, ops

from ml.models.config import ModelConfig
from ml.models.step_network import plain_step
from ml.sequences.batches import Batch, each_batch, pad_values
from ml.sequences.features import Steps

WIDTH = 32
EPOCHS, PATIENCE, TOKENS = 20, 3, 4096
LEARNING_RATE = 2e-3


class TrailAutoencoder:
    """numeric, vocabulary_sizes: of the steps, see ModelConfig."""

    def __init__(self, numeric: int, vocabulary_sizes: tuple[int, ...]):
        config = ModelConfig(numeric=numeric, vocabulary_sizes=vocabulary_sizes, width=WIDTH)
        inputs = {
            "numeric": keras.Input((None, numeric), name="numeric"),
            "categorical": keras.Input((None, len(vocabulary_sizes)), name="categorical", dtype="int32"),
            "last": keras.Input((None,), name="last"),
        }
        hidden = plain_step(inputs["numeric"], inputs["categorical"], config)
        hidden = layers.GRU(config.width, return_sequences=True, name="encoder")(hidden)
        vector = ops.sum(hidden * inputs["last"][:, :, None], axis=1)
        told = layers.GRU(config.width, return_sequences=True, name="decoder")(ops.zeros_like(hidden) + vector[:, None])
        told = layers.Dense(numeric, name="told")(told)
        self.encoder = keras.Model(inputs, vector, name="trail_encoder")
        self.model = keras.Model(inputs, told, name="trail_autoencoder")
        # TensorFlow's own graphs do for any length, XLA's for one each; JAX has no others
        jit = keras.backend.backend() == "jax"
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE), "mean_squared_error", jit_compile=jit)

    def fit(self, good: Steps, held: Steps, *, seed: int) -> None:
        """Until the error on the held trails, both of good users, has not fallen for PATIENCE epochs."""
        rng, best, kept, waited = np.random.default_rng(seed), np.inf, self.model.get_weights(), 0
        batches = list(_batches(good))
        for _ in range(EPOCHS):
            for index in rng.permutation(len(batches)):
                inputs, real = batches[index]
                self.model.train_on_batch(inputs, inputs["numeric"], sample_weight=real)
            error = self._error(held)
            waited = 0 if error < best else waited + 1
            if waited == 0:
                best, kept = error, self.model.get_weights()
            if waited == PATIENCE:
                break
        self.model.set_weights(kept)

    def encode(self, steps: Steps) -> np.ndarray:
        """float32 (users, width), each between -1 and 1."""
        vectors = np.empty((len(steps.lengths), self.encoder.output.shape[-1]), np.float32)
        for batch, inputs in each_batch(steps, tokens=TOKENS):
            vectors[batch.users] = self.encoder.predict_on_batch(inputs | {"last": _last(steps, batch)})
        return vectors

    def _error(self, steps: Steps) -> float:
        total = 0.0
        for inputs, real in _batches(steps):
            missed = self.model.predict_on_batch(inputs) - inputs["numeric"]
            total += float((np.square(missed).mean(axis=-1) * real).sum())
        return total / len(steps.numeric)


def _batches(steps: Steps) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Inputs, and float32 (batch, length): 1 where a step is."""
    for batch, inputs in each_batch(steps, tokens=TOKENS):
        real = pad_values(np.ones(len(steps.numeric), np.float32), steps.offsets, batch)
        yield inputs | {"last": _last(steps, batch)}, real


def _last(steps: Steps, batch: Batch) -> np.ndarray:
    """float32 (batch, length): 1 at each trail's last step."""
    places = steps.lengths[batch.users] - 1
    return (np.arange(batch.length) == places[:, None]).astype(np.float32)
