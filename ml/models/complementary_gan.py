"""A complementary GAN: the generator fills the thin regions around good users' vectors, the discriminator detects.

Backend-neutral Keras 3. After Zheng, Yuan, Wu, Li, Lu 2019, "One-Class Adversarial Nets for Fraud Detection",
arXiv:1803.01798, section 4, but for two things: what is dense is told by a network that knows good vectors from uniform
ones, not by a second GAN; and all settings are the first that were taken, for no label is there to choose by.
"""

import keras
import numpy as np
from keras import layers, ops

NOISE, WIDTH = 16, 64
BATCH, STEPS, DENSITY_STEPS = 256, 1500, 600
LEARNING_RATE = 1e-3
THIN = 0.05  # the share of good users whose vectors count as lying in a thin region


class ComplementaryGan:
    """size: of a vector; its numbers are between -1 and 1."""

    def __init__(self, size: int):
        self.size = size
        self.detector, self.watched, self.density = (_network(size) for _ in range(3))
        # Keras compiles what is trainable, so the generator is trained against a copy of the detector that never is
        self.watched.trainable = False
        given = keras.Input((NOISE,))
        hidden = layers.Dense(WIDTH, activation="relu")(given)
        hidden = layers.Dense(WIDTH, activation="relu")(hidden)
        self.generator = keras.Model(given, layers.Dense(size, activation="tanh")(hidden))

    def fit(self, good: np.ndarray, *, seed: int) -> None:
        """good: float32 (users, size)."""
        rng = np.random.default_rng(seed)
        edge = self._fit_density(good, rng)
        deceiver = self._build_deceiver(edge)
        self.detector.compile(keras.optimizers.Adam(LEARNING_RATE), _confident)
        for _ in range(STEPS):
            real = good[rng.integers(0, len(good), BATCH)]
            made = self.generator.predict_on_batch(_noise(rng))
            self.detector.train_on_batch(np.concatenate([real, made]), _truths())
            self.watched.set_weights(self.detector.get_weights())
            deceiver.train_on_batch([_noise(rng), real], np.zeros((BATCH, 1), np.float32))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """float64 (users,): the logit of being none of the good users'."""
        return -self.detector.predict(vectors, batch_size=4096, verbose=0)[:, 0].astype(np.float64)

    def _fit_density(self, good: np.ndarray, rng: np.random.Generator) -> float:
        """Returns the density's logit below which a region is thin."""
        self.density.compile(keras.optimizers.Adam(LEARNING_RATE), _confident)
        for _ in range(DENSITY_STEPS):
            real = good[rng.integers(0, len(good), BATCH)]
            uniform = rng.uniform(-1, 1, real.shape).astype(np.float32)
            self.density.train_on_batch(np.concatenate([real, uniform]), _truths())
        self.density.trainable = False
        return float(np.quantile(self.density.predict(good, batch_size=4096, verbose=0), THIN))

    def _build_deceiver(self, edge: float) -> keras.Model:
        """The generator's loss: spread out, leave dense regions, and look like good vectors to the detector."""
        noise, real = keras.Input((NOISE,)), keras.Input((self.size,))
        made = self.generator(noise)
        features = keras.Model(self.watched.input, self.watched.layers[-2].output)
        seen = features(made)
        close = ops.square(ops.matmul(ops.normalize(seen), ops.transpose(ops.normalize(seen))))
        pull_away = (ops.sum(close) - BATCH) / (BATCH * (BATCH - 1))
        dense = ops.mean(ops.relu(self.density(made) - edge))
        alike = ops.mean(ops.square(ops.mean(features(real), axis=0) - ops.mean(seen, axis=0)))
        loss = pull_away + dense + alike + 0 * noise[:, :1]
        deceiver = keras.Model([noise, real], loss)
        deceiver.compile(keras.optimizers.Adam(LEARNING_RATE), lambda _, given: ops.mean(given))
        return deceiver


def _network(size: int) -> keras.Model:
    """A vector -> the logit of being a good user's."""
    given = keras.Input((size,))
    hidden = layers.Dense(WIDTH, activation="relu")(given)
    hidden = layers.Dense(WIDTH, activation="relu")(hidden)
    return keras.Model(given, layers.Dense(1)(hidden))


def _confident(truths: object, logits: object) -> object:
    """Binary cross-entropy, and the entropy of what is said of good vectors."""
    entropy = ops.binary_crossentropy(ops.sigmoid(logits), logits, from_logits=True)
    return ops.mean(ops.binary_crossentropy(truths, logits, from_logits=True) + truths * entropy)


def _truths() -> np.ndarray:
    return np.repeat(np.array([1.0, 0.0], np.float32), BATCH)[:, None]


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(BATCH, NOISE)).astype(np.float32)
