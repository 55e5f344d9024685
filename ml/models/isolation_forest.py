"""The baseline where no bad label is known: an isolation forest on the columns that LightGBM would get.

Liu, Ting, Zhou 2008, "Isolation Forest". One forest for each view.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from ml.models.boosting import Table

TREES = 300
GRID = tuple({"max_samples": samples, "max_features": features} for samples in (256, 2048) for features in (1.0, 0.25))


@dataclass(frozen=True)
class Forests:
    """models: view -> forest."""

    models: dict[str, IsolationForest]

    @classmethod
    def fit(
        cls,
        good: Mapping[str, np.ndarray],
        validation: Mapping[str, Table],
        *,
        seed: int,
    ) -> "Forests":
        """Of each view, the forest of the grid that tells the validation's targets apart best, by ROC AUC.

        good: view -> float32 (users, columns), nan where unknown, of good users alone.
        validation: view -> the same of others, with targets.
        """
        return cls({view: _search(columns, validation[view], seed) for view, columns in good.items()})

    def scores(self, view: str, columns: np.ndarray) -> np.ndarray:
        """float64 (users,), higher is more anomalous."""
        return -self.models[view].score_samples(columns)


def _search(good: np.ndarray, held: Table, seed: int) -> IsolationForest:
    found = []
    for parameters in GRID:
        samples = min(parameters["max_samples"], len(good))
        model = IsolationForest(
            n_estimators=TREES, max_samples=samples, max_features=parameters["max_features"], random_state=seed
        ).fit(good)
        found.append((roc_auc_score(held.targets, -model.score_samples(held.columns)), model))
    return max(found, key=lambda one: one[0])[1]
