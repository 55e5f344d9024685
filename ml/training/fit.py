"""Fits a sequence model: mixed batches, binary cross-entropy at every step, averaged weights, early stopping."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import keras
import numpy as np

from ml.models.infer import infer_logits
from ml.sequences.batches import Batch, pad, pad_values
from ml.sequences.features import Featurizer
from ml.training.config import TrainingConfig
from ml.training.steps import TargetedSteps

log = logging.getLogger(__name__)
SHORTEST = 8
SHOWN_CLOSED = 0.5


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
    lengths = bucket_lengths(featurizer.window)
    trainer = build_trainer(model, lengths, config, users=len(training.steps.lengths))
    average = AveragedWeights(model, config.averaging)
    batches = MixedBatches(training, lengths, featurizer, config, np.random.default_rng(seed))
    curves, best = Curves(), model.get_weights()
    for epoch in range(config.epochs):
        curves.loss.append(_run_epoch(trainer, average, batches))
        curves.validation_loss.append(_validate(model, average, validation, batches.opened))
        log.info("epoch %d of %d: loss %.4f, validation %.4f", epoch + 1, config.epochs, curves.loss[-1],
                 curves.validation_loss[-1])  # fmt: skip
        if curves.best_epoch == epoch:
            best = average.mean
        elif epoch - curves.best_epoch >= config.patience:
            break
    model.set_weights(best)
    return curves


def bucket_lengths(window: int) -> list[int]:
    """The padded lengths: powers of two up to the window."""
    lengths = [SHORTEST]
    while lengths[-1] < window:
        lengths.append(lengths[-1] * 2)
    return lengths


def build_trainer(model: keras.Model, lengths: list[int], config: TrainingConfig, *, users: int) -> keras.Model:
    """The model applied to one batch of each length at once.

    Users of one length alone are no fair sample (short trails are more often anomalous), so a step's gradient takes
    users of all lengths, each padded only to its own bucket. The learning rate falls to 0 along half a cosine wave.
    """
    inputs, outputs = {}, {}
    for length in lengths:
        one = {
            name: keras.Input((length, given.shape[-1]), dtype=given.dtype, name=f"{name}_{length}")
            for name, given in model.input.items()
        }
        inputs |= {f"{name}_{length}": given for name, given in one.items()}
        outputs[f"logits_{length}"] = keras.layers.Reshape((length, 1), name=f"logits_{length}")(model(one))
    trainer = keras.Model(inputs, outputs)
    falling = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * count_batches(users, config))
    optimizer = keras.optimizers.AdamW(falling, weight_decay=config.weight_decay, global_clipnorm=1.0)
    losses = {name: keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum") for name in outputs}
    trainer.compile(optimizer, losses, jit_compile=False)
    return trainer


def count_batches(users: int, config: TrainingConfig) -> int:
    """Optimizer steps of an epoch."""
    return max(1, round(users / config.users_per_step))


class MixedBatches:
    """Draws, epoch after epoch, batches of users of all lengths."""

    def __init__(
        self,
        data: TargetedSteps,
        lengths: list[int],
        featurizer: Featurizer,
        config: TrainingConfig,
        rng: np.random.Generator,
    ):
        self.data, self.lengths, self.config, self.rng = data, lengths, config, rng
        self.opened = OpenedDays(featurizer)

    def __iter__(self) -> Iterator[tuple[dict, dict, dict]]:
        """Yields (inputs, targets, weights) by the trainer's input and output names."""
        lengths = self.data.steps.lengths
        bucket = np.searchsorted(self.lengths, lengths)
        for users in np.array_split(self.rng.permutation(len(lengths)), count_batches(len(lengths), self.config)):
            parts = [self._part(users[bucket[users] == index], length) for index, length in enumerate(self.lengths)]
            yield tuple({name: value for part in parts for name, value in part[kind].items()} for kind in range(3))

    def _part(self, users: np.ndarray, length: int) -> tuple[dict, dict, dict]:
        data, empty = self.data, len(users) == 0
        batch = Batch(np.zeros(1, np.int64) if empty else users, length)
        inputs = pad(data.steps, batch)
        closes, opened, closed = (
            pad_values(values, data.steps.offsets, batch)
            for values in (data.closes_day, data.open_weights, data.closed_weights)
        )
        shown = closes & (self.rng.random(closes.shape) < SHOWN_CLOSED)
        self.opened.apply(inputs["numeric"], closes & ~shown)
        # Either way of showing a closing step is drawn half the time, and weighs twice for it.
        weights = np.where(shown, closed / SHOWN_CLOSED, np.where(closes, opened / (1 - SHOWN_CLOSED), opened))
        targets = pad_values(data.targets, data.steps.offsets, batch)[..., None]
        return (
            {f"{name}_{length}": value for name, value in inputs.items()},
            {f"logits_{length}": targets},
            {f"logits_{length}": (weights * (0.0 if empty else 1.0 / self.config.users_per_step)).astype(np.float32)},
        )


class OpenedDays:
    """Shows a closing step as it looked at its event, before anybody knew that the user would do no more that day."""

    def __init__(self, featurizer: Featurizer):
        names = featurizer.numeric_names
        self.column = names.index("closes_day") if "closes_day" in names else None
        self.value = 0.0 if self.column is None else featurizer.scaled("closes_day", 0.0)

    def apply(self, numeric: np.ndarray, where: np.ndarray) -> None:
        """Changes numeric (..., F) in place where the mask (...) is True."""
        if self.column is not None:
            numeric[..., self.column][where] = self.value


def _run_epoch(trainer: keras.Model, average: AveragedWeights, batches: MixedBatches) -> float:
    losses = []
    for inputs, targets, weights in batches:
        losses.append(trainer.train_on_batch(inputs, targets, sample_weight=weights, return_dict=True)["loss"])
        trainer.reset_metrics()
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
