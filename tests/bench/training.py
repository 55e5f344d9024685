"""Training on skewed lengths beside the tutorial way: the same model, padded to the window, `model.fit`."""

import logging
import time
from dataclasses import dataclass
from itertools import product

import keras
import numpy as np
from rich.console import Console

from ml.models.config import ModelConfig
from ml.models.infer import infer_logits
from ml.models.network import build_model
from ml.sequences.batches import Batch, pad, pad_values
from ml.sequences.features import Featurizer, Steps
from ml.training.config import TrainingConfig
from ml.training.fit import fit_model
from ml.training.steps import TargetedSteps
from tests.bench.rows import Row, compare, rate

WINDOW, MEAN_LENGTH = 256, 24
CODES = (12, 12, 12)
NAMES = [f"feature_{index}" for index in range(24)]
FEATURIZER = Featurizer({}, WINDOW, {}, [], dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 1.0), [])


@dataclass(frozen=True)
class Fitted:
    """rate: training users for each second of an epoch, its validation included; the first epoch, which compiles, is
    left out. loss: of the validation users, in nats."""

    rate: float
    loss: float


def measure(*, quick: bool) -> list[Row]:
    """GRU of width 64, equal steps, optimizer and epochs, so that both losses fall alike; tuned for Keras."""
    users, epochs, repetitions = (1280, 3, 1) if quick else (6400, 4, 3)
    training, validation = make_steps(users, seed=0), make_steps(users // 10, seed=1)
    sizes = (128,) if quick else (128, 256, 512)
    users_per_step, compiled = max(product(sizes, (False, True)), key=lambda way: padded_rate(training, *way))
    Console(stderr=True).print(f"padded Keras is fastest with {users_per_step} users a step, compiled: {compiled}")
    config = TrainingConfig(width=64, epochs=epochs, users_per_step=users_per_step)
    ours, peer = [], []
    for seed in range(repetitions):
        ours.append(fit_packed(training, validation, config, seed))
        peer.append(fit_padded(training, validation, config, seed, compiled=compiled))
    return [
        row("train_vs_padded_keras", [one.rate for one in ours], [one.rate for one in peer], unit="sequences/s"),
        row("train_validation_loss", [one.loss for one in ours], [one.loss for one in peer], unit="nats"),
    ]


def row(name: str, ours: list[float], peer: list[float], *, unit: str) -> Row:
    """Figures that came together with others, as a row."""
    mine, theirs = iter(ours), iter(peer)
    return compare(name, lambda: next(mine), lambda: next(theirs), unit=unit, repetitions=len(ours))


def make_steps(users: int, *, seed: int) -> TargetedSteps:
    """Log-normal lengths; every fifth user is anomalous, which shows, faintly, in a third of their steps."""
    rng = np.random.default_rng(seed)
    drawn = rng.lognormal(np.log(MEAN_LENGTH) - 0.5, 1.0, users)
    lengths = np.clip(np.round(drawn), 1, WINDOW).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    anomalous = np.repeat(rng.random(users) < 0.2, lengths)
    numeric = rng.normal(size=(len(anomalous), len(NAMES))).astype(np.float32)
    numeric[:, :4] += 0.7 * (anomalous & (rng.random(len(anomalous)) < 1 / 3))[:, None]
    codes = rng.integers(1, min(CODES), (len(anomalous), len(CODES)), dtype=np.int32)
    weights = np.full(len(anomalous), 0.02, np.float32)
    weights[offsets[1:] - 1] += 1
    return TargetedSteps(
        Steps(numeric, codes, offsets),
        anomalous.astype(np.float32),
        np.zeros(len(anomalous), bool),
        weights * np.float32(users / weights.sum()),
        np.zeros(len(anomalous), np.float32),
    )


def new_model(config: TrainingConfig, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_model(
        ModelConfig(numeric=len(NAMES), vocabulary_sizes=CODES, width=config.width, dropout=config.dropout)
    )


def fit_packed(training: TargetedSteps, validation: TargetedSteps, config: TrainingConfig, seed: int) -> Fitted:
    """Our training; its log says when each epoch ended."""
    ended: list[float] = []
    log, heard = logging.getLogger("ml.training.fit"), logging.Handler(logging.INFO)
    heard.emit = lambda record: ended.append(record.created)
    level = log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        model = new_model(config, seed)
        fit_model(model, training, validation, featurizer=FEATURIZER, config=config, seed=seed)
    finally:
        log.removeHandler(heard)
        log.setLevel(level)
    return Fitted(steady_rate(ended, len(training.steps.lengths)), judge(model, validation))


def fit_padded(
    training: TargetedSteps, validation: TargetedSteps, config: TrainingConfig, seed: int, *, compiled: bool
) -> Fitted:
    """`model.fit` on everybody padded to the window, keeping the weights of the best epoch."""
    model, ended = new_model(config, seed), []
    trained = compile_padded(model, config, users=len(training.steps.lengths), compiled=compiled)
    inputs, targets, weights = padded(training)
    best = keras.callbacks.EarlyStopping(patience=config.epochs, restore_best_weights=True, start_from_epoch=0)
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ended.append(time.time()))
    trained.fit(
        inputs,
        targets,
        sample_weight=weights,
        validation_data=padded(validation),
        batch_size=config.users_per_step,
        epochs=config.epochs,
        callbacks=[best, clock],
        verbose=0,
    )
    return Fitted(steady_rate(ended, len(training.steps.lengths)), judge(model, validation))


def padded_rate(training: TargetedSteps, users: int, compiled: bool) -> float:
    """users/s of the best of some steps of padded Keras."""
    config = TrainingConfig(width=64, users_per_step=users)
    trained = compile_padded(new_model(config, 0), config, users=users, compiled=compiled)
    inputs, targets, weights = padded(training, users)
    step = lambda: trained.train_on_batch(inputs, targets, sample_weight=weights)  # noqa: E731
    step()  # compiles
    return max(rate(step, users) for _ in range(3))


def compile_padded(model: keras.Model, config: TrainingConfig, *, users: int, compiled: bool) -> keras.Model:
    """The model with an output axis more, (users, window, 1), so that each step can have its weight."""
    trained = keras.Model(model.input, keras.ops.expand_dims(model.output, -1))
    steps = config.epochs * -(-users // config.users_per_step)
    falling = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    optimizer = keras.optimizers.AdamW(falling, weight_decay=config.weight_decay, global_clipnorm=1.0)
    trained.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=compiled)
    return trained


def padded(data: TargetedSteps, users: int | None = None) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """inputs, targets (users, window, 1) and weights (users, window) of the first users, or of all."""
    whole = Batch(np.arange(users or len(data.steps.lengths)), WINDOW)
    targets, weights = (pad_values(values, data.steps.offsets, whole) for values in (data.targets, data.open_weights))
    return pad(data.steps, whole), targets[..., None], weights


def judge(model: keras.Model, data: TargetedSteps) -> float:
    """The weighted binary cross-entropy of a step in nats, for both sides alike."""
    logits = infer_logits(model, data.steps)
    losses = np.logaddexp(0.0, logits) - data.targets * logits
    return float((losses * data.open_weights).sum() / data.open_weights.sum())


def steady_rate(ended: list[float], users: int) -> float:
    """users/s from the end of the first epoch to the end of the last; ended: seconds."""
    return users * (len(ended) - 1) / (ended[-1] - ended[0])
