"""An exported network at work, on ONNX Runtime alone."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime

from ml.errors import InputAbsent
from ml.models.bundle import EVERY_STEP, LAST_STEP, PLACES
from ml.models.scoring_model import ScoringModel
from ml.sequences.batches import Batch, pack_batches, pad, unpad
from ml.sequences.features import Steps

TOKENS = 4096  # steps of one inference batch, padding included: small enough to stay in a core's cache


@dataclass(frozen=True)
class Network(ScoringModel):
    """The exported network in a bundle's folder. Raises InputAbsent where a file is missing.

    threads: batches that run side by side, by default one on each core.
    """

    folder: Path
    threads: int = os.cpu_count() or 1

    def __post_init__(self) -> None:
        for name in (EVERY_STEP, LAST_STEP):
            if not (self.folder / name).is_file():
                raise InputAbsent(network=self.folder / name)

    @cached_property
    def _every_step(self) -> onnxruntime.InferenceSession:
        return _open(self.folder / EVERY_STEP)

    @cached_property
    def _last_step(self) -> onnxruntime.InferenceSession:
        return _open(self.folder / LAST_STEP)

    @property
    def name(self) -> str:
        """Its architecture."""
        return self._last_step.get_modelmeta().graph_name

    def logits(self, steps: Steps) -> np.ndarray:
        logits = np.empty(len(steps.numeric), np.float32)

        def infer(batch: Batch) -> None:
            rows, values = unpad(self._every_step.run(None, pad(steps, batch))[0], steps.offsets, batch)
            logits[rows] = values

        _side_by_side(infer, steps, self.threads)
        return logits

    def last_logits(self, steps: Steps) -> np.ndarray:
        logits, last = np.empty(len(steps.lengths), np.float32), steps.lengths - 1

        def infer(batch: Batch) -> None:
            places = np.stack([last[batch.users], np.arange(len(batch.users))], axis=1)
            (logits[batch.users],) = self._last_step.run(None, {**pad(steps, batch), PLACES: places})

        _side_by_side(infer, steps, self.threads)
        return logits


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a step is too small to share: batches run side by side instead
    return onnxruntime.InferenceSession(path, options, providers=onnxruntime.get_available_providers())


def _side_by_side(infer: Callable[[Batch], None], steps: Steps, threads: int) -> None:
    """One batch on each thread at a time."""
    batches = pack_batches(steps.lengths, tokens=TOKENS)
    for batch in batches[:1]:  # alone: it makes the session, and for one user a thread would cost more than the batch
        infer(batch)
    if others := batches[1:]:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(infer, others))
