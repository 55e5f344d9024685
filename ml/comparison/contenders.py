"""Every model in the one form that a comparison knows: fitted to a fold's material, it gives users in view a logit."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import keras
import numpy as np

from ml.comparison.belief import Believing
from ml.comparison.blend import fit_blend
from ml.comparison.doubt import doubt
from ml.comparison.fitted import Fitted, Trained
from ml.comparison.forgery import forge, keep_good
from ml.comparison.material import Asked, Material
from ml.comparison.one_class import (
    ALARMS,
    OneClass,
    fit_complementary_gan,
    fit_isolation_forest,
    set_alarm,
)
from ml.comparison.protocol import UNSUPERVISED, Model
from ml.comparison.second_look import fit_second_look
from ml.comparison.unlabelled import complete
from ml.models.baseline import Baseline
from ml.models.boosting import Table
from ml.models.config import Architecture
from ml.models.infer import infer_logits
from ml.pretraining.backbone import Backbone
from ml.pretraining.config import Objective
from ml.pretraining.make import split_trails
from ml.pretraining.pretrain import pretrain
from ml.training.config import DEFAULTS, TrainingConfig
from ml.training.train import fit_network
from ml.training.tuning import Tuning

BLENDED = (Model.FUSION, Model.LIGHTGBM)
OBJECTIVE = Objective.NEXT_EVENT  # of pre-training
SMALLEST = 1e-7  # a probability that a booster gives is kept this far from 0 and 1


@dataclass(frozen=True)
class FittedNetwork:
    """config: as it was fitted, `epochs` the number that it took until it was stopped."""

    model: keras.Model
    config: TrainingConfig
    backbone: Backbone | None = None

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return infer_logits(self.model, asked.steps)[asked.rows].astype(np.float64)

    def refit(self, material: Material, seed: int) -> "FittedNetwork":
        """In as many epochs, at the end of which the learning rate is 0."""
        whole, config = material.whole, self.config
        model, _ = fit_network(whole.training, None, whole.featurizer, config, seed, backbone=self.backbone)
        return replace(self, model=model)


@dataclass(frozen=True)
class FittedBaseline:
    baseline: Baseline

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        probability = np.clip(self.baseline.predict(view, asked.columns), SMALLEST, 1 - SMALLEST)
        return np.log(probability) - np.log1p(-probability)

    def refit(self, material: Material, seed: int) -> "FittedBaseline":
        return FittedBaseline(self.baseline.refit(_tables(material.whole.training_views), seed=seed))


def fit_baseline(material: Material, seed: int) -> FittedBaseline:
    """LightGBM, one booster for each view."""
    training, validation = _tables(material.training_views), _tables(material.validation_views)
    return FittedBaseline(Baseline.fit(training, validation, seed=seed))


def _tables(views: dict[str, Asked]) -> dict[str, Table]:
    return {view: asked.table for view, asked in views.items()}


def fit_sequence_model(architecture: Architecture, material: Material, seed: int) -> FittedNetwork:
    """One network for all views."""
    return fit_configured(DEFAULTS[architecture], material, seed)


def fit_configured(
    config: TrainingConfig, material: Material, seed: int, backbone: Backbone | None = None
) -> FittedNetwork:
    """Any network, from a backbone where there is one."""
    given = (material.training, material.validation, material.featurizer)
    model, curves = fit_network(*given, config, seed, backbone=backbone)
    return FittedNetwork(model, replace(config, epochs=len(curves.loss)), backbone)


@lru_cache(maxsize=1)
def pretrain_fusion(material: Material, seed: int) -> Backbone:
    """On the trails of everybody whom training may see, a tenth of them held out."""
    config = DEFAULTS[Architecture.FUSION]
    training, held_out = split_trails([material.fold.trails], material.featurizer, OBJECTIVE, seed)
    backbone, _ = pretrain(training, held_out, material.featurizer, config, OBJECTIVE, seed)
    return backbone


def fine_tune_fusion(tuning: Tuning, material: Material, seed: int) -> FittedNetwork:
    """The pre-trained fusion, fitted to the labels."""
    config = replace(DEFAULTS[Architecture.FUSION], tuning=tuning)
    return fit_configured(config, material, seed, pretrain_fusion(material, seed))


def fit_doubting(material: Material, seed: int) -> Believing:
    """The fusion, fitted to labels of which some are taken for wrong."""
    doubted, wrong = doubt(material, seed)
    config = replace(DEFAULTS[Architecture.FUSION], wrong_labels=wrong)
    return Believing(fit_configured(config, doubted, seed), doubted)


def fit_self_trained(material: Material, seed: int) -> Believing:
    """The pre-trained fusion, fitted to the labels and to what its blend with LightGBM, fitted to them, thinks of all
    other users."""
    firsts = (fine_tune_fusion(Tuning.FULL, material, seed), fit_baseline(material, seed))
    teacher = _blend([Trained(first, first.refit(material, seed)) for first in firsts], material)
    completed = complete(material, teacher.last)
    return Believing(fine_tune_fusion(Tuning.FULL, completed, seed), completed)


def fit_one_class(material: Material, seed: int) -> Fitted:
    """Blends that learn to tell good users from counterfeits of them, one for each of ALARMS."""
    good, alarms = keep_good(material).validation_views, []
    for kinds, share in ALARMS.items():
        ((_, trained),) = fit_models(forge(material, seed, kinds), [Model.BLEND], seed, refit=False)
        alarms.append(set_alarm(trained.first, good, share))
    return OneClass(tuple(alarms))


def fit_models(
    material: Material, models: Iterable[Model], seed: int, *, refit: bool
) -> Iterator[tuple[Model, Trained]]:
    """Each model asked for; a blend's members are fitted once. refit: whether all are fitted again to all users,
    but those that learn from good users: their thresholds rest on good users whom they never saw."""
    trained: dict[Model, Trained] = {}
    for model in models:
        for needed in BLENDED if model is Model.BLEND else (model,):
            if needed not in trained:
                first = FITTERS[needed](material, seed)
                again = refit and needed not in UNSUPERVISED
                trained[needed] = Trained(first, first.refit(material, seed) if again else first)
        if model is Model.BLEND:
            trained[model] = _blend([trained[member] for member in BLENDED], material)
        yield model, trained[model]


def _blend(members: list[Trained], material: Material) -> Trained:
    """Weighed as the members were first fitted."""
    blend = fit_blend(tuple(one.first for one in members), material)
    return Trained(blend, replace(blend, members=tuple(one.last for one in members)))


FITTERS: dict[Model, Callable[[Material, int], Fitted]] = {
    Model.LIGHTGBM: fit_baseline,
    Model.GRU: partial(fit_sequence_model, Architecture.GRU),
    Model.LSTM: partial(fit_sequence_model, Architecture.LSTM),
    Model.TRANSFORMER: partial(fit_sequence_model, Architecture.TRANSFORMER),
    Model.FUSION: partial(fit_sequence_model, Architecture.FUSION),
    Model.PRETRAINED: partial(fine_tune_fusion, Tuning.FULL),
    Model.LORA: partial(fine_tune_fusion, Tuning.LORA),
    Model.FROZEN: partial(fine_tune_fusion, Tuning.FROZEN),
    Model.ISOLATION_FOREST: fit_isolation_forest,
    Model.ONE_CLASS: fit_one_class,
    Model.COMPLEMENTARY_GAN: fit_complementary_gan,
    Model.SECOND_LOOK: fit_second_look,
    Model.DOUBTING: fit_doubting,
    Model.SELF_TRAINED: fit_self_trained,
}
