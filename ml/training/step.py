"""One optimizer step: of one process alone, or of a team that adds its gradients up."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
from keras import ops

from ml.training.batches import PackedBatch
from ml.training.config import TrainingConfig
from ml.training.team import Team

Step = Callable[[PackedBatch], float]


def new_optimizer(config: TrainingConfig, *, steps: int) -> keras.optimizers.Optimizer:
    """The learning rate falls to 0 along half a cosine wave. steps: of an epoch."""
    falling = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
    return WholeAdamW(falling, weight_decay=config.weight_decay, global_clipnorm=1.0)


def build_step(
    trainer: keras.Model, optimizer: keras.optimizers.Optimizer, team: Team, loss: keras.losses.Loss
) -> Step:
    """Builds the optimizer and returns what moves the weights by one batch.

    loss: added up over the batch's steps, as they weigh.

    The step returns the batch's loss, over all workers, before it.
    """
    if team.size == 1:
        return CompiledStep(trainer, optimizer, loss)
    return SharedStep(trainer, optimizer, team, loss)


class CompiledStep:
    """Gradients and optimizer are one compiled program."""

    def __init__(self, trainer: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss):
        self.trainer = trainer
        optimizer.build(trainer.trainable_variables)
        trainer.compile(optimizer, loss, jit_compile=True)

    def __call__(self, batch: PackedBatch) -> float:
        self.trainer.reset_metrics()
        return float(self.trainer.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights))


class SharedStep:
    """The gradients of a team's workers are added before the optimizer sees them.

    So many workers compute what one would, but for rounding. The optimizer works outside the compiled program, on all
    weights as one vector: one weight after another it would take longer than the rest of the step.
    """

    def __init__(
        self, trainer: keras.Model, optimizer: keras.optimizers.Optimizer, team: Team, loss: keras.losses.Loss
    ):
        self.weights, self.optimizer, self.team = trainer.trainable_variables, optimizer, team
        self.kept = GradientKeeper()
        self.differentiate = CompiledStep(trainer, self.kept, loss)
        self.vector = keras.Variable(_flat(self.weights))
        optimizer.build([self.vector])

    def __call__(self, batch: PackedBatch) -> float:
        loss = self.differentiate(batch)
        added = self.team.add(np.concatenate([[loss], _flat(self.kept.gradients)]))
        self.vector.assign(_flat(self.weights))
        self.optimizer.apply([ops.cast(added[1:], "float32")], [self.vector])
        moved, begin = ops.convert_to_numpy(self.vector), 0
        for weight in self.weights:
            end = begin + int(np.prod(weight.shape))
            weight.assign(moved[begin:end].reshape(weight.shape))
            begin = end
        return float(added[0])


class GradientKeeper(keras.optimizers.Optimizer):
    """Moves nothing: `gradients` holds each weight's newest gradient, for others to add theirs."""

    def __init__(self):
        super().__init__(learning_rate=1.0, name="gradient_keeper")
        self.gradients: list[keras.Variable] = []

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            self.gradients = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient: object, variable: keras.Variable, learning_rate: object) -> None:
        self.assign(self.gradients[self._get_variable_index(variable)], _whole(gradient))


class WholeAdamW(keras.optimizers.AdamW):
    """AdamW that clips and squares whole gradients.

    TensorFlow gives an embedding's gradient in pieces, one for each time that a code occurs in the batch, and Keras
    clips and squares each of them.
    """

    def apply(self, grads: list, trainable_variables: list[keras.Variable] | None = None) -> None:
        super().apply([_whole(gradient) for gradient in grads], trainable_variables)


def _whole(gradient: object) -> object:
    """A gradient in pieces, added up."""
    return ops.add(gradient, 0.0)


def _flat(variables: Iterable[keras.Variable]) -> np.ndarray:
    return np.concatenate([ops.convert_to_numpy(variable).ravel() for variable in variables])
