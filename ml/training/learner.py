"""A model's copy that is trained in its stead: whole, by low-rank adapters, or the head alone."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from ml.models.network import HEAD
from ml.training.config import TrainingConfig
from ml.training.low_rank import Adapters, adapt, kernels_of
from ml.training.packing import Packing
from ml.training.trainer import build_trainer, copy_to_train
from ml.training.tuning import Tuning


class Learner:
    """Weights of its own, float32, of which those that the tuning leaves to training move.

    Under Tuning.LORA every dense and recurrent kernel gets an adapter, that of `head_network` too, which else would
    hold most of what is trained; with it `head_network`'s bias and the last layer, the head, are trained as they are.
    Under Tuning.FROZEN both layers of the head are trained and nothing else.
    """

    def __init__(self, model: keras.Model, config: TrainingConfig, seed: int):
        self.model, self.adapters = copy_to_train(model), None
        if config.tuning is not Tuning.FULL:
            _freeze_backbone(self.model)
        if config.tuning is Tuning.LORA:
            kernels = [kernel for layer in self.model.layers if layer.name != HEAD[-1] for kernel in kernels_of(layer)]
            self.adapters = Adapters(kernels, rank=config.rank, alpha=config.alpha, seed=seed)

    def trainer(self, packing: Packing) -> keras.Model:
        """See build_trainer."""
        trainer = build_trainer(self.model, packing)
        return trainer if self.adapters is None else adapt(trainer, self.adapters)

    @property
    def weights(self) -> list[keras.Variable]:
        """The model's, in its order, then the adapters'."""
        return [*self.model.weights, *(self.adapters.weights if self.adapters else [])]

    @property
    def trained_share(self) -> float:
        """Weights that move, of all that the model has."""
        moving = sum(int(np.prod(weight.shape)) for weight in self.weights if weight.trainable)
        return moving / self.model.count_params()

    def get_weights(self) -> list[np.ndarray]:
        return [ops.convert_to_numpy(weight) for weight in self.weights]

    def set_weights(self, values: Sequence[np.ndarray]) -> None:
        for weight, value in zip(self.weights, values, strict=True):
            weight.assign(value)

    def merge(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Values of `weights` -> those of a plain model that computes the same."""
        own = self.model.weights
        if self.adapters is None:
            return list(values)
        added = self.adapters.merge(values[len(own) :])
        return [value + added.get(id(weight), 0) for weight, value in zip(own, values[: len(own)], strict=True)]


def _freeze_backbone(model: keras.Model) -> None:
    for layer in model.layers:
        for weight in layer.weights if layer.name not in HEAD else ():
            weight.trainable = False
