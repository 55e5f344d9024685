"""Sequences of skewed lengths with random targets, ready to train on, and a small model for them."""

import keras
import numpy as np

from ml.models.config import Architecture, ModelConfig
from ml.models.network import build_model
from ml.sequences.features import Featurizer, Steps
from ml.training.batches import PackedBatch
from ml.training.steps import TargetedSteps

NAMES = ("gap", "b", "hour_sin")  # the first and the last describe one event


def drawn_steps(users: int, window: int) -> TargetedSteps:
    """Lengths of 1 to `window` steps; three numbers and two codes at each."""
    rng = np.random.default_rng(1)
    lengths = np.minimum(np.ceil(rng.lognormal(2.0, 1.0, users)).astype(np.int64), window)
    lengths[:2] = 1, window
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    events = int(offsets[-1])
    numeric, codes = rng.normal(size=(events, 3)).astype(np.float32), rng.integers(1, 5, (events, 2)).astype(np.int32)
    targets, weights = rng.integers(0, 2, events).astype(np.float32), rng.random(events).astype(np.float32)
    return TargetedSteps(
        Steps(numeric, codes, offsets), targets, np.zeros(events, bool), weights, np.zeros(events, np.float32)
    )


def events_of(batch: PackedBatch, data: TargetedSteps) -> np.ndarray:
    """The event rows that a batch holds, found by their inputs, in the order of the batch's real steps."""
    known = {tuple(row): index for index, row in enumerate(data.steps.numeric.tolist())}
    return np.array([known[tuple(row)] for row in batch.inputs["numeric"][0][batch.weights[0] > 0].tolist()])


def featurizer_of(window: int) -> Featurizer:
    """What these steps' featurizer would be."""
    return Featurizer({}, window, {}, [], dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 1.0), [])


def small_model(architecture: Architecture = Architecture.GRU, *, layers: int = 2, dropout: float = 0.0) -> keras.Model:
    """The same weights each time, biases included."""
    keras.utils.set_random_seed(0)
    encoded = (0, 2) if architecture is Architecture.FUSION else ()
    shape = {
        "encoded": encoded,
        "architecture": architecture,
        "width": 8,
        "layers": layers,
        "heads": 2,
        "dropout": dropout,
    }
    model = build_model(ModelConfig(numeric=3, vocabulary_sizes=(5, 5), **shape))
    rng = np.random.default_rng(2)
    model.set_weights([weight + 0.1 * rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def trained_weights(model: keras.Model) -> list[np.ndarray]:
    """All but those that are not learned by gradients."""
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
