"""Pre-trains the backbone of a model on trails without labels."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from ml.models.network import adapt_model, backbone_of, build_model
from ml.pretraining.backbone import Backbone
from ml.pretraining.config import Objective
from ml.pretraining.contrastive import ContrastivePretext
from ml.pretraining.events import EventPretext
from ml.pretraining.pretext import Pretext
from ml.sequences.features import Featurizer, Steps
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.epochs import Curves, run_epochs
from ml.training.learner import Learner
from ml.training.step import build_step, new_optimizer
from ml.training.team import ALONE
from ml.training.tuning import Tuning

PRETEXTS: dict[Objective, Callable[..., Pretext]] = {
    Objective.NEXT_EVENT: partial(EventPretext, masked=False),
    Objective.MASKED_EVENT: partial(EventPretext, masked=True),
    Objective.COLES: ContrastivePretext,
}


def pretrain(
    training: Steps,
    held_out: Steps,
    featurizer: Featurizer,
    config: TrainingConfig,
    objective: Objective,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
) -> tuple[Backbone, Curves]:
    """The backbone with the averaged weights of the best epoch, and the curves.

    held_out: of other users than `training`; training stops when their loss no longer falls. config: all of it but
    what tells how to fine-tune. The same seed gives the same weights on the same machine, also where the training was
    broken off and goes on from its checkpoint. Raises TooFewTrails.
    """
    keras.utils.set_random_seed(seed)
    shape = config.shape(featurizer)
    model = build_model(shape)
    adapt_model(model, training.numeric)
    backbone = backbone_of(model)
    pretext = PRETEXTS[objective](backbone, training, held_out, shape, featurizer, config, seed)
    learner, optimizer = (
        Learner(pretext.model, replace(config, tuning=Tuning.FULL), seed),
        new_optimizer(config, steps=len(pretext)),
    )
    curves = run_epochs(
        pretext.model,
        learner,
        build_step(pretext.trainer(learner), optimizer, ALONE, pretext.loss),
        optimizer,
        batches=pretext.epoch,
        judge=pretext.judge,
        config=config,
        seed=seed,
        checkpoint=checkpoint,
    )
    return Backbone(backbone, shape, featurizer), curves


def split_users(users: int, seed: int, share: float = 0.1) -> np.ndarray:
    """bool (users,): who is held out, at least one."""
    held_out = np.zeros(users, bool)
    held_out[np.random.default_rng(seed).permutation(users)[: max(1, round(users * share))]] = True
    return held_out
