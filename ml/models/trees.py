"""One booster for trails of any length: what LightGBM is as a model that can be registered and score."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np

from ml.files import new_file
from ml.models.bundle import TREES
from ml.models.columns import trail_columns
from ml.models.scoring_model import ScoringModel
from ml.sequences.features import Featurizer, Steps

AT_ONCE = 4096  # steps whose columns are made at a time: they are several times as wide as the steps themselves


@dataclass(frozen=True)
class Trees(ScoringModel):
    """booster: on `trail_columns`. featurizer: whose steps it reads. threads: parts that are judged side by side."""

    booster: lightgbm.Booster
    featurizer: Featurizer
    threads: int = os.cpu_count() or 1

    @property
    def name(self) -> str:
        """The baseline, a booster for each view, is called lightgbm in the same figures."""
        return "one_booster"

    def logits(self, steps: Steps) -> np.ndarray:
        return self._at(steps, np.arange(len(steps.numeric)))

    def last_logits(self, steps: Steps) -> np.ndarray:
        return self._at(steps, steps.offsets[1:] - 1)

    def _at(self, steps: Steps, rows: np.ndarray) -> np.ndarray:
        """float32 (rows,)."""
        logits = np.empty(len(rows), np.float32)

        def predict(begin: int) -> None:
            part = slice(begin, begin + AT_ONCE)
            columns = trail_columns(steps, rows[part], self.featurizer)
            logits[part] = self.booster.predict(columns, raw_score=True, num_threads=1)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(predict, range(0, len(rows), AT_ONCE)))
        return logits

    def save(self, bundle: Path) -> None:
        """Writes TREES, as text."""
        with new_file(bundle / TREES) as unfinished:
            self.booster.save_model(str(unfinished))

    @classmethod
    def load(cls, bundle: Path, featurizer: Featurizer, threads: int) -> "Trees":
        """Reads what `save` wrote."""
        return cls(lightgbm.Booster(model_file=str(bundle / TREES)), featurizer, threads)
