"""A model bundle at work: sequences in, calibrated scores out, on ONNX Runtime alone."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime

from ml.calibration.probability import ProbabilityCalibration
from ml.errors import InputAbsent
from ml.sequences.batches import Batch, pack_batches, pad, unpad
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences

TOKENS = 4096  # steps of one inference batch, padding included: small enough to stay in a core's cache


@dataclass(frozen=True)
class Network:
    """The exported network of a bundle. Raises InputAbsent where the file is missing.

    threads: batches that run side by side, by default one on each core.
    """

    path: Path
    threads: int = os.cpu_count() or 1

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise InputAbsent(network=self.path)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a recurrent step is too small to share: batches run side by side instead
        options.log_severity_level = 3  # it warns about every optional input
        return onnxruntime.InferenceSession(self.path, options, providers=onnxruntime.get_available_providers())

    def logits(self, steps: Steps) -> np.ndarray:
        """float32 (events,): the logit at every step."""
        logits = np.empty(len(steps.numeric), np.float32)

        def infer(batch: Batch) -> None:
            rows, values = unpad(self._run("logits", pad(steps, batch)), steps.offsets, batch)
            logits[rows] = values

        _side_by_side(infer, steps, self.threads)
        return logits

    def last_logits(self, steps: Steps) -> np.ndarray:
        """float32 (users,): the logit at each user's last step."""
        logits, last = np.empty(len(steps.lengths), np.float32), steps.lengths - 1

        def infer(batch: Batch) -> None:
            places = np.stack([last[batch.users], np.arange(len(batch.users))], axis=1)
            logits[batch.users] = self._run("placed_logits", {**pad(steps, batch), "places": places})

        _side_by_side(infer, steps, self.threads)
        return logits

    def _run(self, output: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True  # the other output costs nothing
        return self._session.run([output], inputs, options)[0]


def _side_by_side(infer: Callable[[Batch], None], steps: Steps, threads: int) -> None:
    """One batch on each thread at a time."""
    batches = pack_batches(steps.lengths, tokens=TOKENS)
    for batch in batches[:1]:  # alone: it makes the session, and for one user a thread would cost more than the batch
        infer(batch)
    if others := batches[1:]:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(infer, others))


@dataclass(frozen=True)
class Scorer:
    """Featurizer, network and probability calibration of one bundle."""

    featurizer: Featurizer
    network: Network
    calibration: ProbabilityCalibration

    @classmethod
    def load(cls, bundle: Path, *, threads: int = os.cpu_count() or 1) -> "Scorer":
        """threads: see Network. Raises InputAbsent where the folder is no complete bundle."""
        network = Network(bundle / "model.onnx", threads)
        calibration = ProbabilityCalibration.load(bundle / "calibration.json")
        return cls(Featurizer.load(bundle / "featurizer.json"), network, calibration)

    def score_users(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Judges each user by everything they did: float32 and float64 (users,), the logit and its probability."""
        logits = self.network.last_logits(self.featurizer.transform(sequences))
        return logits, self.calibration.probability(logits)
