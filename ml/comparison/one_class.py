"""Contenders that learn from good users alone, whoever else is in the material."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from ml.calibration.good_users import FALSE_POSITIVES
from ml.comparison.fitted import Fitted
from ml.comparison.forgery import forge, keep_good
from ml.comparison.material import Asked, Material
from ml.models.complementary_gan import ComplementaryGan
from ml.models.isolation_forest import Forests
from ml.models.trail_autoencoder import TrailAutoencoder
from ml.sequences.features import Steps

# kinds of counterfeits -> the share of the false alarms that a detector of them is allowed. Beginning in the middle is
# hard to tell from a good user, absurdity is not: a tenth is enough for it.
ALARMS = {("segment",): 0.9, ("mixture", "exaggeration"): 0.1}


@dataclass(frozen=True)
class FittedForests:
    forests: Forests

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return self.forests.scores(view, asked.columns)


@dataclass(frozen=True)
class FittedGan:
    autoencoder: TrailAutoencoder
    gan: ComplementaryGan

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return self.gan.scores(self.autoencoder.encode(asked.steps))


@dataclass(frozen=True)
class Alarm:
    """A detector, and the logit in each view that its share of the good users' false alarms leaves it."""

    detector: Fitted
    levels: dict[str, float]

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        """float64 (asked,), above 0 where it goes off."""
        return self.detector.logits(view, asked) - self.levels[view]


@dataclass(frozen=True)
class OneClass:
    """Goes off where one of the alarms does: their false alarms add up to FALSE_POSITIVES at most (Bonferroni)."""

    alarms: tuple[Alarm, ...]

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return np.max([alarm.logits(view, asked) for alarm in self.alarms], axis=0)


def set_alarm(detector: Fitted, good: dict[str, Asked], share: float) -> Alarm:
    """good: users in view whom the detector has not learned from. share: of FALSE_POSITIVES."""
    quantile = 1 - FALSE_POSITIVES * share
    return Alarm(
        detector, {view: float(np.quantile(detector.logits(view, asked), quantile)) for view, asked in good.items()}
    )


def fit_isolation_forest(material: Material, seed: int) -> FittedForests:
    """Its settings are those that tell good users from counterfeits best."""
    training = {view: asked.columns for view, asked in keep_good(material).training_views.items()}
    forged = forge(material, seed).validation_views
    validation = {view: asked.table for view, asked in forged.items()}
    return FittedForests(Forests.fit(training, validation, seed=seed))


def fit_complementary_gan(material: Material, seed: int) -> FittedGan:
    """One autoencoder and one GAN for all views."""
    keras.utils.set_random_seed(seed)
    good, featurizer = keep_good(material), material.featurizer
    training, validation = (_join(views.values()) for views in (good.training_views, good.validation_views))
    autoencoder = TrailAutoencoder(len(featurizer.numeric_names), featurizer.vocabulary_sizes)
    autoencoder.fit(training, validation, seed=seed)
    vectors = autoencoder.encode(training)
    gan = ComplementaryGan(vectors.shape[1])
    gan.fit(vectors, seed=seed)
    return FittedGan(autoencoder, gan)


def _join(views: Iterable[Asked]) -> Steps:
    parts = [asked.steps for asked in views]
    lengths = np.concatenate([part.lengths for part in parts])
    return Steps(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.categorical for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]),
    )
