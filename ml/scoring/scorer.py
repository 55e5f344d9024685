"""A model bundle at work: sequences in, calibrated scores out, without Keras or TensorFlow."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ml.calibration.probability import ProbabilityCalibration
from ml.contracts.scores import Evidence
from ml.errors import ExitCode, TrailguardError
from ml.models.blend import Blend
from ml.models.bundle import BLEND, TREES
from ml.models.scoring_model import ScoringModel
from ml.scoring.evidence import EvidenceRule
from ml.scoring.network import Network
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences


class TreesUnreadable(TrailguardError):
    """The model holds boosted trees, and LightGBM cannot be loaded here.

    Install the package lightgbm and the OpenMP runtime that it needs, on Debian and Ubuntu libgomp1.
    """

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Judgement:
    """What is said of users. evidence: str (users,), see Evidence. logits, scores: float32 and float64 (users,), the
    model's output and its probability, nan unless the evidence is sufficient."""

    evidence: np.ndarray
    logits: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Scorer:
    """Featurizer, model, probability calibration and rule of evidence of one bundle."""

    bundle: Path
    featurizer: Featurizer
    model: ScoringModel
    calibration: ProbabilityCalibration

    @classmethod
    def load(cls, bundle: Path, *, threads: int = os.cpu_count() or 1) -> "Scorer":
        """threads: that scoring takes. Raises InputAbsent where the folder is no complete bundle, TreesUnreadable."""
        calibration = ProbabilityCalibration.load(bundle / "calibration.json")
        featurizer = Featurizer.load(bundle)
        return cls(bundle, featurizer, open_model(bundle, featurizer, threads), calibration)

    @cached_property
    def evidence(self) -> EvidenceRule:
        """Read when a score is asked for: a version that has none can still be compared with others. Raises
        EvidenceUnknown."""
        return EvidenceRule.load(self.bundle)

    def score_users(self, sequences: Sequences) -> Judgement:
        """Judges each user by everything they did, as far as that is evidence enough. Raises EvidenceUnknown."""
        return self.judge(self.featurizer.transform(sequences))

    def judge(self, steps: Steps) -> Judgement:
        """The same, of users whose features are made already. Raises EvidenceUnknown."""
        evidence, logits = self.evidence.judge(steps), self.model.last_logits(steps)
        judged, scores = evidence == Evidence.SUFFICIENT, np.full(len(logits), np.nan)
        scores[judged] = self.calibration.probability(logits[judged])
        logits[~judged] = np.nan
        return Judgement(evidence, logits, scores)


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
