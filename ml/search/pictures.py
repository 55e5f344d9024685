"""A search as a person reads it."""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import optuna
from matplotlib import pyplot as plt
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization.matplotlib import plot_optimization_history, plot_param_importances


def draw_search(study: optuna.Study, folder: Path) -> None:
    """Writes trials.csv, the best trials first; history.png; and importances.png once trials differ enough to tell."""
    table = study.trials_dataframe(attrs=("number", "value", "params", "state", "duration"))
    table.sort_values(["value", "number"]).to_csv(folder / "trials.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        _save(plot_optimization_history(study), folder / "history.png")
        if len({trial.value for trial in study.get_trials(states=(TrialState.COMPLETE,))}) > 1:
            _save(plot_param_importances(study), folder / "importances.png")


def _save(axes: plt.Axes, path: Path) -> None:
    axes.figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(axes.figure)
