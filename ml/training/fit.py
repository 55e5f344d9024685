"""Fits a sequence model: packed batches, binary cross-entropy at every step, averaged weights, early stopping."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

import keras
import numpy as np

from ml.models.infer import infer_logits
from ml.sequences.features import Featurizer
from ml.training.batches import OpenedDays, PackedBatch, PackedBatches
from ml.training.config import TrainingConfig
from ml.training.packing import pack_blocks, pack_segments
from ml.training.steps import TargetedSteps
from ml.training.trainer import build_trainer, is_recurrent

log = logging.getLogger(__name__)


@dataclass
class Curves:
    """One entry for each epoch; losses are weighted binary cross-entropies in nats."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return int(np.argmin(self.validation_loss))

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "best_epoch": self.best_epoch}


class AveragedWeights:
    """The running mean of a model's weights over the optimizer's steps: smoother than the newest ones, and better."""

    def __init__(self, model: keras.Model, momentum: float):
        self.model, self.momentum, self.steps = model, momentum, 0
        self.mean = model.get_weights()

    def update(self) -> None:
        """Takes the newest weights in; the first steps count more, so that the random start is soon forgotten."""
        self.steps += 1
        momentum = min(self.momentum, self.steps / (self.steps + 10))
        pairs = zip(self.mean, self.model.get_weights(), strict=True)
        self.mean = [momentum * mean + (1 - momentum) * newest for mean, newest in pairs]


def fit_model(
    model: keras.Model,
    training: TargetedSteps,
    validation: TargetedSteps,
    *,
    featurizer: Featurizer,
    config: TrainingConfig,
    seed: int,
) -> Curves:
    """Fits the model in place, leaving the averaged weights of the best epoch in it. The same seed gives the same
    weights on the same machine."""
    pack = pack_segments if is_recurrent(model) else pack_blocks
    batches = PackedBatches(training, featurizer, pack, users_per_step=config.users_per_step, seed=seed)
    trainer = build_trainer(model, batches.packing)
    compile_trainer(trainer, config, steps=len(batches))
    average = AveragedWeights(model, config.averaging)
    curves, best = Curves(), model.get_weights()
    for epoch in range(config.epochs):
        curves.loss.append(_run_epoch(trainer, average, batches.epoch(epoch)))
        curves.validation_loss.append(_validate(model, average, validation, batches.opened))
        log.info("epoch %d of %d: loss %.4f, validation %.4f", epoch + 1, config.epochs, curves.loss[-1],
                 curves.validation_loss[-1])  # fmt: skip
        if curves.best_epoch == epoch:
            best = average.mean
        elif epoch - curves.best_epoch >= config.patience:
            break
    model.set_weights(best)
    return curves


def compile_trainer(trainer: keras.Model, config: TrainingConfig, *, steps: int) -> None:
    """The learning rate falls to 0 along half a cosine wave. steps: of an epoch."""
    falling = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)
    optimizer = keras.optimizers.AdamW(falling, weight_decay=config.weight_decay, global_clipnorm=1.0)
    loss = keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum")
    trainer.compile(optimizer, loss, jit_compile=True)


def _run_epoch(trainer: keras.Model, average: AveragedWeights, batches: Iterable[PackedBatch]) -> float:
    losses = []
    for batch in batches:
        trainer.reset_metrics()
        losses.append(trainer.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights))
        average.update()
    return float(np.mean(losses))


def _validate(model: keras.Model, average: AveragedWeights, data: TargetedSteps, opened: OpenedDays) -> float:
    """The loss of the averaged weights over all steps, the closing ones shown both ways."""
    newest = model.get_weights()
    model.set_weights(average.mean)
    numeric = data.steps.numeric.copy()
    opened.apply(numeric, data.closes_day)
    total = 0.0
    for shown, weights in ((data.steps.numeric, data.closed_weights), (numeric, data.open_weights)):
        logits = infer_logits(model, replace(data.steps, numeric=shown))
        total += float(((np.logaddexp(0.0, logits) - data.targets * logits) * weights).sum())
    model.set_weights(newest)
    return total / float(data.open_weights.sum() + data.closed_weights.sum())
