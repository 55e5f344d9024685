"""One optimizer step: of one process alone, or of a team that adds its gradients up."""

import keras
import numpy as np
from keras import ops

from ml.training.batches import PackedBatch
from ml.training.config import TrainingConfig
from ml.training.team import Team


def build_optimizer(trainer: keras.Model, config: TrainingConfig, *, steps: int) -> keras.optimizers.Optimizer:
    """The learning rate falls to 0 along half a cosine wave. steps: of an epoch."""
    falling = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
    optimizer = WholeAdamW(falling, weight_decay=config.weight_decay, global_clipnorm=1.0)
    optimizer.build(trainer.trainable_variables)
    return optimizer


class TrainingStep:
    """Moves the weights by one batch.

    The gradients of a team's workers are added before the optimizer sees them, so that many workers compute what one
    would, but for rounding: about 1e-6 of the loss in an epoch.
    """

    def __init__(self, trainer: keras.Model, optimizer: keras.optimizers.Optimizer, team: Team):
        self.trainer, self.optimizer, self.team = trainer, optimizer, team
        self.kept = GradientKeeper()
        loss = keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum")
        trainer.compile(optimizer if team.size == 1 else self.kept, loss, jit_compile=True)

    def __call__(self, batch: PackedBatch) -> float:
        """The batch's loss, over all workers, before the step."""
        self.trainer.reset_metrics()
        loss = float(self.trainer.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights))
        return loss if self.team.size == 1 else self._share(loss)

    def _share(self, loss: float) -> float:
        gradients = [ops.convert_to_numpy(gradient) for gradient in self.kept.gradients]
        added = self.team.add(np.concatenate([[loss], *(gradient.ravel() for gradient in gradients)]))
        ends = np.cumsum([1, *(gradient.size for gradient in gradients)])
        self.optimizer.apply(
            [
                piece.reshape(gradient.shape).astype(gradient.dtype)
                for piece, gradient in zip(np.split(added, ends)[1:-1], gradients, strict=True)
            ],
            self.trainer.trainable_variables,
        )
        return float(added[0])


class GradientKeeper(keras.optimizers.Optimizer):
    """Moves nothing: `gradients` holds each variable's newest gradient, for others to add theirs."""

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
