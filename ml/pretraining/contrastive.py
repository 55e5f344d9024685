"""CoLES: two slices of one user's trail are alike, slices of different users are not.

Babaev et al. 2022, arXiv:2002.08232: sections 3.2 (random slices of a trail) and 3.3 (the losses that do; here the
softmax over all other slices of the batch: Chen et al. 2020, arXiv:2002.05709, equation 1).
"""

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from ml.models.config import ModelConfig
from ml.pretraining.pretext import TooFewTrails
from ml.sequences.batches import Batch, pad, padded_lengths
from ml.sequences.features import Featurizer, Steps
from ml.training.batches import PackedBatch
from ml.training.config import TrainingConfig
from ml.training.learner import Learner

SHORTEST = 3  # steps of a slice
TEMPERATURE = 0.1
FAR = -1e9  # a logit that weighs nothing


class SoftmaxLoss(keras.losses.Loss):
    """For each slice, how surprising it is, in nats, that its partner is the user's other slice.

    Call arguments:
        users: float32 (slices, 1), whose slice it is; each user has two.
        given: float32 (slices, units), of length 1.
    """

    def __init__(self):
        super().__init__(name="softmax_loss", reduction="sum")

    def call(self, users: object, given: object) -> object:
        same = ops.cast(ops.equal(users, ops.transpose(users)), "float32")
        itself = ops.eye(ops.shape(given)[0])
        logits = ops.matmul(given, ops.transpose(given)) / TEMPERATURE + FAR * itself
        return ops.logsumexp(logits, axis=-1) - ops.sum(logits * (same - itself), axis=-1)


class ContrastivePretext:
    """See Pretext.

    An event's running aggregates tell whose trail it is, however the slice is cut: one slice of each pair hides all
    numbers that do not describe its events by themselves (they are shown as their means), so that pairs can only be
    told by what the user does. Users whose trails are shorter than SHORTEST are left out.
    """

    def __init__(
        self,
        backbone: keras.Model,
        training: Steps,
        held_out: Steps,
        shape: ModelConfig,
        featurizer: Featurizer,
        config: TrainingConfig,
        seed: int,
    ):
        """Raises TooFewTrails."""
        self.training, self.held_out, self.seed = training, held_out, seed
        self.users, self.judged = (np.flatnonzero(steps.lengths >= SHORTEST) for steps in (training, held_out))
        if min(len(self.users), len(self.judged)) < 2:
            raise TooFewTrails(training=len(self.users), held_out=len(self.judged), steps_each=SHORTEST)
        self.at_once = min(config.users_per_step, len(self.users))
        self.aggregates = np.delete(np.arange(len(featurizer.numeric_names)), featurizer.single_event_columns)
        self.model, self.loss = _embed(backbone), SoftmaxLoss()

    def __len__(self) -> int:
        return len(self.users) // self.at_once

    def trainer(self, learner: Learner) -> keras.Model:
        return learner.model

    def epoch(self, number: int) -> Iterator[PackedBatch]:
        """Users of similar length stand together, so that little is padding and length alone tells nobody apart."""
        rng = np.random.default_rng([self.seed, number])
        users = rng.permutation(self.users)[: len(self) * self.at_once]
        users = users[np.argsort(padded_lengths(self.training.lengths[users]), kind="stable")]
        for step in rng.permutation(len(self)):
            yield self._cut(self.training, users[step * self.at_once :][: self.at_once], rng)

    def judge(self) -> float:
        rng = np.random.default_rng(self.seed)
        count = max(1, len(self.judged) // self.at_once)
        losses = []
        for users in np.array_split(rng.permutation(self.judged), count):
            batch = self._cut(self.held_out, users, rng)
            given = self.model.predict_on_batch(batch.inputs)
            losses.append(float(self.loss(batch.targets, given, sample_weight=batch.weights)) * len(users))
        return sum(losses) / len(self.judged)

    def _cut(self, steps: Steps, users: np.ndarray, rng: np.random.Generator) -> PackedBatch:
        """Two slices of each user, of random length and place."""
        twice = np.tile(users, 2)
        lengths = rng.integers(SHORTEST, steps.lengths[twice] + 1)
        starts = steps.offsets[twice] + rng.integers(0, steps.lengths[twice] - lengths + 1)
        offsets = np.append(0, np.cumsum(lengths))
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        numeric = steps.numeric[rows]
        numeric[offsets[len(users)] :, self.aggregates] = 0.0
        slices = Steps(numeric, steps.categorical[rows], offsets)
        longest = int(padded_lengths(steps.lengths[users]).max())
        inputs = pad(slices, Batch(np.arange(len(twice)), longest)) | {"last": (lengths - 1).astype(np.int32)}
        return PackedBatch(inputs, _numbered(users), np.full(len(twice), 1 / len(twice), np.float32))


def _numbered(users: np.ndarray) -> np.ndarray:
    """float32 (2 * users, 1): small numbers, which float32 tells apart."""
    return np.tile(np.arange(len(users), dtype=np.float32), 2)[:, None]


def _embed(backbone: keras.Model) -> keras.Model:
    """The backbone's output at each slice's step number `last`, int32 (slices,), made a vector of length 1."""
    last = keras.Input((), name="last", dtype="int32")
    found = ops.take_along_axis(backbone.output, last[:, None, None], axis=1)[:, 0]
    found = ops.normalize(ops.cast(found, "float32"), axis=-1)
    return keras.Model({**backbone.input, "last": last}, found, name="contrastive_pretext")
