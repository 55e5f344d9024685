"""The course of a training, whatever it learns: epochs, averaged weights, early stopping, going on where it ended."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import keras
import numpy as np

from ml.training.batches import PackedBatch
from ml.training.checkpoint import Checkpoint, Progress
from ml.training.config import TrainingConfig
from ml.training.learner import Learner
from ml.training.step import Step
from ml.training.team import ALONE, Team

log = logging.getLogger(__name__)


@dataclass
class Curves:
    """One entry for each epoch; losses are means in nats, as far as they are likelihoods.

    validation_loss: empty where nobody was held out; the last epoch then counts as the best.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return int(np.argmin(self.validation_loss)) if self.validation_loss else len(self.loss) - 1

    def go_on(self, config: TrainingConfig) -> bool:
        """Whether another epoch follows."""
        done = len(self.loss)
        return done == 0 or (done < config.epochs and done - 1 - self.best_epoch < config.patience)

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "best_epoch": self.best_epoch}


class AveragedWeights:
    """The running mean of a learner's weights over the optimizer's steps: smoother than the newest ones, and better."""

    def __init__(self, learner: Learner, momentum: float):
        self.learner, self.momentum, self.steps = learner, momentum, 0
        self.mean = learner.get_weights()

    def update(self) -> None:
        """Takes the newest weights in; the first steps count more, so that the random start is soon forgotten."""
        self.steps += 1
        momentum = min(self.momentum, self.steps / (self.steps + 10))
        pairs = zip(self.mean, self.learner.get_weights(), strict=True)
        self.mean = [mean + (1 - momentum) * (newest - mean) for mean, newest in pairs]  # a frozen weight stays exact


class Fitting:
    """Where the training of a model stands."""

    def __init__(self, learner: Learner, optimizer: keras.optimizers.Optimizer, average: AveragedWeights):
        self.learner, self.optimizer, self.average = learner, optimizer, average
        self.curves, self.best = Curves(), average.mean

    def record(self, loss: float, validation_loss: float | None) -> None:
        """Ends an epoch."""
        self.curves.loss.append(loss)
        self.curves.validation_loss += [] if validation_loss is None else [validation_loss]
        if self.curves.best_epoch == len(self.curves.loss) - 1:
            self.best = self.average.mean

    def progress(self) -> Progress:
        state = [keras.ops.convert_to_numpy(variable) for variable in self.optimizer.variables]
        arrays = {
            "newest": self.learner.get_weights(),
            "optimizer": state,
            "mean": self.average.mean,
            "best": self.best,
        }
        return Progress(asdict(self.curves), self.average.steps, arrays)

    def restore(self, progress: Progress) -> None:
        """Goes on from there, unless the model's code has changed since."""
        if [array.shape for array in progress.arrays["newest"]] != [array.shape for array in self.average.mean]:
            return
        self.curves, self.average.steps = Curves(**progress.losses), progress.averaged_steps
        self.learner.set_weights(progress.arrays["newest"])
        for variable, value in zip(self.optimizer.variables, progress.arrays["optimizer"], strict=True):
            variable.assign(value)
        self.average.mean, self.best = progress.arrays["mean"], progress.arrays["best"]


def run_epochs(
    model: keras.Model,
    learner: Learner,
    step: Step,
    optimizer: keras.optimizers.Optimizer,
    *,
    batches: Callable[[int], Iterable[PackedBatch]],
    judge: Callable[[], float] | None,
    config: TrainingConfig,
    seed: int,
    team: Team = ALONE,
    checkpoint: Checkpoint | None = None,
    watch: Callable[[Curves], None] | None = None,
) -> Curves:
    """Fits `model`, leaving the averaged weights of the best epoch in it.

    learner: of the model; `step` moves its weights. batches: of the epoch of a number. judge: the loss, on users that
    are not learned from, of `model`, which then holds the weights averaged so far; None where nobody is held out, and
    every epoch is run. config: epochs, patience and averaging. watch: is shown the curves after each epoch; what it
    raises ends the training.
    """
    fitting = Fitting(learner, optimizer, AveragedWeights(learner, config.averaging))
    if checkpoint and (progress := checkpoint.load()):
        fitting.restore(progress)
    while fitting.curves.go_on(config):
        epoch = len(fitting.curves.loss)
        _seed_dropout(learner.model, np.random.default_rng([seed, epoch, team.rank]))
        loss = _run_epoch(step, fitting.average, batches(epoch))
        model.set_weights(learner.merge(fitting.average.mean))
        fitting.record(loss, _agree(judge, team) if judge else None)
        judged = "".join(f", validation {found:.4f}" for found in fitting.curves.validation_loss[-1:])
        log.info("epoch %d of %d: loss %.4f%s", epoch + 1, config.epochs, loss, judged)
        if checkpoint and team.rank == 0:
            checkpoint.save(fitting.progress())
        if watch:
            watch(fitting.curves)
    model.set_weights(learner.merge(fitting.best))
    return fitting.curves


def _agree(judge: Callable[[], float], team: Team) -> float:
    """What worker 0 judges, told to all."""
    return float(team.add(np.array([judge() if team.rank == 0 else 0.0]))[0])


def _seed_dropout(model: keras.Model, rng: np.random.Generator) -> None:
    """Each epoch of each worker drops steps of its own, whatever came before."""
    weights = {id(weight) for weight in model.weights}
    for state in model.variables:
        if id(state) not in weights:
            state.assign(rng.integers(0, 2**31, state.shape))


def _run_epoch(step: Step, average: AveragedWeights, batches: Iterable[PackedBatch]) -> float:
    losses = []
    for batch in batches:
        losses.append(step(batch))
        average.update()
    return float(np.mean(losses))
