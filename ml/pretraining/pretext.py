"""What every objective of pre-training is to the training that learns it."""

from collections.abc import Iterator
from typing import Protocol

import keras

from ml.errors import TrailguardError
from ml.training.batches import PackedBatch
from ml.training.learner import Learner


class TooFewTrails(TrailguardError):
    """There are too few trails to pre-train on: some must be learned from and some held out.

    Load a longer history, or train without a backbone.
    """


class Pretext(Protocol):
    """A task on unlabelled trails.

    model: the backbone with what the task needs above it, all of which is learned. loss: of what it gives, added up.
    """

    model: keras.Model
    loss: keras.losses.Loss

    def __len__(self) -> int:
        """Optimizer steps of an epoch."""

    def trainer(self, learner: Learner) -> keras.Model:
        """What a step is taken with; learner: of `model`."""

    def epoch(self, number: int) -> Iterator[PackedBatch]:
        """An epoch's batches; the same number gives the same ones."""

    def judge(self) -> float:
        """The mean loss of `model` on held-out trails."""
