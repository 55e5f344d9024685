"""A model bundle at work: sequences in, calibrated scores out, without Keras or TensorFlow."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.calibration.probability import ProbabilityCalibration
from ml.errors import ExitCode, TrailguardError
from ml.models.blend import Blend
from ml.models.bundle import BLEND, TREES
from ml.models.scoring_model import ScoringModel
from ml.scoring.network import Network
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences


class TreesUnreadable(TrailguardError):
    """The model holds boosted trees, and LightGBM cannot be loaded here.

    Install the package lightgbm and the OpenMP runtime that it needs, on Debian and Ubuntu libgomp1.
    """

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Scorer:
    """Featurizer, model and probability calibration of one bundle."""

    featurizer: Featurizer
    model: ScoringModel
    calibration: ProbabilityCalibration

    @classmethod
    def load(cls, bundle: Path, *, threads: int = os.cpu_count() or 1) -> "Scorer":
        """threads: that scoring takes. Raises InputAbsent where the folder is no complete bundle, TreesUnreadable."""
        calibration = ProbabilityCalibration.load(bundle / "calibration.json")
        featurizer = Featurizer.load(bundle)
        return cls(featurizer, open_model(bundle, featurizer, threads), calibration)

    def score_users(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Judges each user by everything they did: float32 and float64 (users,), the logit and its probability."""
        logits = self.model.last_logits(self.featurizer.transform(sequences))
        return logits, self.calibration.probability(logits)


def open_model(bundle: Path, featurizer: Featurizer, threads: int) -> ScoringModel:
    """The network, the trees or the blend of both, as the bundle's files say."""
    if not (bundle / TREES).is_file():
        return Network(bundle, threads)
    try:
        from ml.models.trees import Trees  # here, so that networks score without LightGBM
    except (ModuleNotFoundError, OSError) as absent:
        raise TreesUnreadable(reason=absent) from None
    trees = Trees.load(bundle, featurizer, threads)
    return Blend.load(bundle, (Network(bundle, threads), trees)) if (bundle / BLEND).is_file() else trees
