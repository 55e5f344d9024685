"""Pictures of a threshold, on the users who decided it."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve, roc_curve

from ml.calibration.candidate import Candidate, Labelled
from ml.calibration.threshold import Choice
from ml.evaluation.metrics import reliability
from ml.evaluation.plots import INK, save_plot

CHOSEN = {"marker": "o", "color": INK[1], "linestyle": "", "zorder": 3}
LIMIT = {"color": "0.75", "linestyle": "--", "zorder": 0, "label": "promised"}


def plot_threshold(folder: Path, choice: Choice, users: Labelled) -> None:
    """Writes roc.png, precision_recall.png, reliability.png and cost.png, each with the chosen point where there is one
    and the policy's limits. users: who decided; there are some of either label."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (
        ("roc", _roc),
        ("precision_recall", _precision_recall),
        ("reliability", _reliability),
        ("cost", _cost),
    ):
        save_plot(folder / f"{name}.png", draw, choice, users)


def costs(users: Labelled, thresholds: np.ndarray, false_alarm_cost: float) -> np.ndarray:
    """float64 (thresholds,): what flagging from each threshold on costs, in missed users for each thousand users."""
    missed = np.array([users.labels[users.scores < value].sum() for value in thresholds])
    alarms = np.array([(1 - users.labels[users.scores >= value]).sum() for value in thresholds])
    return 1000 * (missed + false_alarm_cost * alarms) / len(users.scores)


def _roc(axes: Axes, choice: Choice, users: Labelled) -> None:
    false_positive, true_positive, _ = roc_curve(users.labels, users.scores)
    axes.plot(false_positive, true_positive, color=INK[0])
    axes.axvline(choice.policy.fpr_ceiling, **LIMIT)
    _mark(axes, choice.chosen, "false_positive_rate", "recall")
    axes.legend(frameon=False)
    axes.set(xlabel="good users flagged", ylabel="anomalous users flagged", title="ROC")


def _precision_recall(axes: Axes, choice: Choice, users: Labelled) -> None:
    precision, recall, _ = precision_recall_curve(users.labels, users.scores)
    axes.plot(recall, precision, color=INK[0])
    axes.axhline(choice.policy.precision_floor, **LIMIT)
    _mark(axes, choice.chosen, "recall", "precision")
    axes.legend(frameon=False)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="Precision and recall")


def _reliability(axes: Axes, choice: Choice, users: Labelled) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes.plot(*reliability(users.scores, users.labels), "o-", color=INK[0])
    if choice.chosen:
        axes.axvline(choice.chosen.value, color=INK[1], label=f"threshold {choice.chosen.value:.3f}")
        axes.legend(frameon=False)
    axes.set(xlabel="stated probability", ylabel="observed share", title="Reliability")


def _cost(axes: Axes, choice: Choice, users: Labelled) -> None:
    thresholds, alarm = np.linspace(0, 1, 201), choice.policy.false_alarm_cost
    nobody_flagged = 1000 * users.labels.mean()
    axes.plot(thresholds, costs(users, thresholds, alarm), color=INK[0])
    if choice.chosen:
        value = choice.chosen.value
        axes.plot(value, costs(users, np.array([value]), alarm)[0], label=f"threshold {value:.3f}", **CHOSEN)
        axes.legend(frameon=False)
    axes.set(
        xlabel="threshold",
        ylabel="missed users per 1000 users",
        ylim=(0, 2 * nobody_flagged),
        title=f"Cost, where a false alarm counts {alarm:.3g} times",
    )


def _mark(axes: Axes, chosen: Candidate | None, x: str, y: str) -> None:
    if chosen:
        axes.plot(chosen.rates[x], chosen.rates[y], label=f"threshold {chosen.value:.3f}", **CHOSEN)
