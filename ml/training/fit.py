"""Fits a sequence model: packed batches, binary cross-entropy at every step."""

from collections.abc import Callable
from dataclasses import replace

import keras

from ml.models.infer import infer_logits
from ml.sequences.features import Featurizer
from ml.training.batches import OpenedDays, PackedBatches
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.epochs import Curves, run_epochs
from ml.training.learner import Learner
from ml.training.loss import CrossEntropy, cross_entropy
from ml.training.step import build_step, new_optimizer
from ml.training.steps import TargetedSteps
from ml.training.team import ALONE, Team
from ml.training.trainer import choose_pack


def fit_model(
    model: keras.Model,
    training: TargetedSteps,
    validation: TargetedSteps | None,
    *,
    featurizer: Featurizer,
    config: TrainingConfig,
    seed: int,
    team: Team = ALONE,
    checkpoint: Checkpoint | None = None,
    watch: Callable[[Curves], None] | None = None,
) -> Curves:
    """Fits the model in place, leaving the averaged weights of the best epoch in it; of the last one without
    validation.

    config.tuning says which weights move; adapters are merged into the kernels they belong to.
    The same seed gives the same weights on the same machine, also where the training was broken off and goes on from
    its checkpoint. Every worker of a team calls this with the same arguments and gets the same weights.
    watch: see run_epochs.
    """
    learner = Learner(model, config, seed)
    batches = PackedBatches(
        training,
        featurizer,
        choose_pack(learner.model),
        users_per_step=config.users_per_step,
        seed=seed,
        rank=team.rank,
        workers=team.size,
    )
    optimizer = new_optimizer(config, steps=len(batches))
    loss = CrossEntropy(config.wrong_labels, training.imbalance**config.balance)
    return run_epochs(
        model,
        learner,
        build_step(learner.trainer(batches.packing), optimizer, team, loss),
        optimizer,
        batches=batches.epoch,
        judge=(lambda: _validate(model, validation, batches.opened, config.wrong_labels)) if validation else None,
        config=config,
        seed=seed,
        team=team,
        checkpoint=checkpoint,
        watch=watch,
    )


def _validate(model: keras.Model, data: TargetedSteps, opened: OpenedDays, wrong: float) -> float:
    """The loss over all steps, the closing ones shown both ways."""
    numeric = data.steps.numeric.copy()
    opened.apply(numeric, data.closes_day)
    total = 0.0
    for shown, weights in ((data.steps.numeric, data.closed_weights), (numeric, data.open_weights)):
        logits = infer_logits(model, replace(data.steps, numeric=shown))
        total += float((cross_entropy(logits, data.targets, wrong) * weights).sum())
    return total / float(data.open_weights.sum() + data.closed_weights.sum())
