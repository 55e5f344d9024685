"""The baseline that a sequence model must beat: gradient-boosted trees on the same information.

One LightGBM model for each view (after 3, 5, 10 events, and of the newest window). Its columns are the featurizer's
columns at the last event (which hold every running aggregate) and, of the first STEPS events in view, the columns that
belong to a single event.
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
from ml.sequences.features import Featurizer, Steps

STEPS = 10
ROUNDS, PATIENCE = 2000, 60
GRID = tuple(
    {"num_leaves": leaves, "min_child_samples": samples, "learning_rate": 0.05}
    for leaves, samples in ((7, 20), (15, 40), (31, 40), (63, 80))
)
FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "num_threads": 1,  # the views are fitted side by side instead: on a busy machine threads that wait cost more
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True)
class Baseline:
    """models: view -> booster. chosen: view -> the parameters that the validation slice preferred."""

    models: dict[str, lightgbm.Booster]
    chosen: dict[str, dict[str, float]]

    @classmethod
    def fit(
        cls,
        training: Mapping[str, tuple[np.ndarray, np.ndarray]],
        validation: Mapping[str, tuple[np.ndarray, np.ndarray]],
        *,
        seed: int,
    ) -> "Baseline":
        """Tries the grid for each view, with early stopping on the validation users.

        training, validation: view -> columns float32 (users, columns), see `baseline_columns`, and targets (users,).
        """
        fixed = {**FIXED, "seed": seed}

        def fit_view(view: str) -> tuple[lightgbm.Booster, dict[str, float]]:
            return _search(training[view], validation[view], fixed)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            fitted = dict(zip(training, pool.map(fit_view, training), strict=True))
        return cls(
            {view: model for view, (model, _) in fitted.items()}, {view: chosen for view, (_, chosen) in fitted.items()}
        )

    def refit(self, training: Mapping[str, tuple[np.ndarray, np.ndarray]], *, seed: int) -> "Baseline":
        """The chosen parameters and numbers of rounds, fitted to other users. training: as for `fit`."""
        models = {}
        for view, (columns, targets) in training.items():
            parameters = {name: value for name, value in self.chosen[view].items() if name in GRID[0]}
            data = lightgbm.Dataset(columns, targets, params={"verbose": -1})
            rounds = self.chosen[view]["rounds"]
            models[view] = lightgbm.train({**FIXED, **parameters, "seed": seed}, data, rounds)
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


def baseline_columns(steps: Steps, featurizer: Featurizer) -> np.ndarray:
    """float32 (users, columns): the last step whole, then the single-event columns of the first STEPS steps, nan where
    a user has fewer."""
    positions = range(min(STEPS, int(steps.lengths.max(initial=0))))
    others = [(steps.offsets[:-1] + position, steps.lengths > position) for position in positions]
    return _columns(steps, steps.offsets[1:] - 1, others, featurizer)


def event_columns(steps: Steps, rows: np.ndarray, featurizer: Featurizer) -> np.ndarray:
    """float32 (rows, columns): each of these steps whole, then the single-event columns of the STEPS before it, the
    newest first, nan where the user has fewer. rows: int64, of the flat arrays."""
    begins = np.repeat(steps.offsets[:-1], steps.lengths)[rows]
    others = [(rows - back, rows - back >= begins) for back in range(1, STEPS + 1)]
    return _columns(steps, rows, others, featurizer)


def _columns(
    steps: Steps, rows: np.ndarray, others: list[tuple[np.ndarray, np.ndarray]], featurizer: Featurizer
) -> np.ndarray:
    """others: rows of other steps, and whether there is such a step."""
    single = featurizer.single_event_columns
    columns = [steps.numeric[rows], steps.categorical[rows]]
    for other, present in others:
        there = np.where(present, other, 0)
        step = np.concatenate([steps.numeric[there][:, single], steps.categorical[there]], axis=1)
        columns.append(np.where(present[:, None], step, np.nan))
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _search(
    training: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], fixed: dict[str, object]
) -> tuple[lightgbm.Booster, dict[str, float]]:
    """The booster of the grid with the lowest validation loss, and its parameters."""
    data = lightgbm.Dataset(*training, params={"verbose": -1}, free_raw_data=False)
    held = lightgbm.Dataset(*validation, reference=data, free_raw_data=False)
    fitted = []
    for parameters in GRID:
        stopping = lightgbm.early_stopping(PATIENCE, verbose=False)
        model = lightgbm.train({**fixed, **parameters}, data, ROUNDS, valid_sets=[held], callbacks=[stopping])
        fitted.append((model.best_score["valid_0"]["binary_logloss"], model, parameters))
    loss, best, parameters = min(fitted, key=lambda one: one[0])
    return best, {**parameters, "rounds": best.best_iteration, "validation_loss": loss}
