"""The baseline that a sequence model must beat: gradient-boosted trees on the same information.

One LightGBM model for each view (after 3, 5, 10 events, and of the newest window), on `baseline_columns`.
"""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np

from ml.files import new_file, write_json
from ml.models.boosting import Grown, Table, regrow, search


@dataclass(frozen=True)
class Baseline:
    """models: view -> booster. chosen: view -> the parameters that the validation slice preferred."""

    models: dict[str, lightgbm.Booster]
    chosen: dict[str, dict[str, float]]

    @classmethod
    def fit(
        cls,
        training: Mapping[str, Table],
        validation: Mapping[str, Table],
        *,
        seed: int,
    ) -> "Baseline":
        """Tries the grid for each view, with early stopping on the validation users.

        training, validation: view -> a row for each user, of `baseline_columns`.
        """

        def fit_view(view: str) -> Grown:
            return search(training[view], validation[view], seed=seed, at_once=1)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            grown = dict(zip(training, pool.map(fit_view, training), strict=True))
        return cls(
            {view: one.booster for view, one in grown.items()}, {view: one.chosen for view, one in grown.items()}
        )

    def refit(self, training: Mapping[str, Table], *, seed: int) -> "Baseline":
        """The chosen parameters and numbers of rounds, fitted to other users. training: as for `fit`."""
        models = {view: regrow(table, self.chosen[view], seed=seed) for view, table in training.items()}
        return Baseline(models, self.chosen)

    def predict(self, view: str, columns: np.ndarray) -> np.ndarray:
        """float64 (users,): the probability of being anomalous, as seen at each user's last step in view."""
        return self.models[view].predict(columns)

    def save(self, folder: Path) -> None:
        """Writes one text model for each view and baseline.json."""
        for view, model in self.models.items():
            with new_file(folder / f"{view}.txt") as unfinished:
                model.save_model(str(unfinished))
        write_json(folder / "baseline.json", self.chosen)

    @classmethod
    def load(cls, folder: Path) -> "Baseline":
        """Reads what `save` wrote."""
        chosen = json.loads((folder / "baseline.json").read_text())
        return cls({view: lightgbm.Booster(model_file=str(folder / f"{view}.txt")) for view in chosen}, chosen)
