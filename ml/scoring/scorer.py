"""A model bundle at work: sequences in, calibrated scores out, on ONNX Runtime alone."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime

from ml.calibration.probability import ProbabilityCalibration
from ml.errors import InputAbsent
from ml.sequences.batches import each_batch, unpad
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences

TOKENS = 16_384  # steps of one inference batch, padding included


@dataclass(frozen=True)
class Network:
    """The exported network of a bundle. Raises InputAbsent where the file is missing."""

    path: Path

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise InputAbsent(network=self.path)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(self.path, providers=onnxruntime.get_available_providers())

    def logits(self, steps: Steps) -> np.ndarray:
        """float32 (events,): the logit at every step."""
        logits = np.empty(len(steps.numeric), np.float32)
        for batch, inputs in each_batch(steps, tokens=TOKENS):
            (padded,) = self._session.run(None, inputs)
            rows, values = unpad(padded, steps.offsets, batch)
            logits[rows] = values
        return logits

    def last_logits(self, steps: Steps) -> np.ndarray:
        """float32 (users,): the logit at each user's last step."""
        return self.logits(steps)[steps.offsets[1:] - 1]


@dataclass(frozen=True)
class Scorer:
    """Featurizer, network and probability calibration of one bundle."""

    featurizer: Featurizer
    network: Network
    calibration: ProbabilityCalibration

    @classmethod
    def load(cls, bundle: Path) -> "Scorer":
        """Raises InputAbsent where the folder is no complete bundle."""
        network = Network(bundle / "model.onnx")
        calibration = ProbabilityCalibration.load(bundle / "calibration.json")
        return cls(Featurizer.load(bundle / "featurizer.json"), network, calibration)

    def score_users(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Judges each user by everything they did: float32 and float64 (users,), the logit and its probability."""
        logits = self.network.last_logits(self.featurizer.transform(sequences))
        return logits, self.calibration.probability(logits)
