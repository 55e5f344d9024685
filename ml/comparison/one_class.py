"""Contenders that learn from good users alone, whoever else is in the material."""

from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from ml.comparison.fitted import Asked
from ml.comparison.forgery import forge, keep_good
from ml.comparison.material import Material
from ml.models.complementary_gan import ComplementaryGan
from ml.models.isolation_forest import Forests
from ml.models.trail_autoencoder import TrailAutoencoder
from ml.sequences.features import Steps


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
