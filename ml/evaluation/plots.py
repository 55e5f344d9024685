"""Pictures of a training, where one would look rather than read."""

from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve, roc_curve

from ml.evaluation.metrics import reliability

INK = ("#1f5fa8", "#c2571a")


def plot_report(
    folder: Path,
    *,
    scores: dict[str, np.ndarray],
    probability: np.ndarray,
    targets: np.ndarray,
    curves: dict,
) -> None:
    """Writes roc.png, precision_recall.png, reliability.png and training.png.

    scores: model -> (users,). probability: our calibrated scores.
    curves: loss and validation_loss, one entry for each epoch.
    """
    save_plot(folder / "roc.png", _roc, scores, targets)
    save_plot(folder / "precision_recall.png", _precision_recall, scores, targets)
    save_plot(folder / "reliability.png", _reliability, probability, targets)
    save_plot(folder / "training.png", _training, curves)


def save_plot(path: Path, draw: Callable[..., None], *facts: object) -> None:
    """draw: onto axes, of the facts."""
    figure, axes = plt.subplots(figsize=(5, 4), dpi=120)
    draw(axes, *facts)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _roc(axes: Axes, scores: dict[str, np.ndarray], targets: np.ndarray) -> None:
    for (model, given), ink in zip(scores.items(), INK, strict=True):
        false_positive, true_positive, _ = roc_curve(targets, given)
        axes.plot(false_positive, true_positive, color=ink, label=model)
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes.set(xlabel="good users flagged", ylabel="anomalous users flagged", title="ROC, test slice, whole trails")
    axes.legend(frameon=False)


def _precision_recall(axes: Axes, scores: dict[str, np.ndarray], targets: np.ndarray) -> None:
    for (model, given), ink in zip(scores.items(), INK, strict=True):
        precision, recall, _ = precision_recall_curve(targets, given)
        axes.plot(recall, precision, color=ink, label=model)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="Precision and recall, test slice")
    axes.legend(frameon=False)


def _reliability(axes: Axes, probability: np.ndarray, targets: np.ndarray) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes.plot(*reliability(probability, targets), "o-", color=INK[0])
    axes.set(xlabel="stated probability", ylabel="observed share", title="Reliability, test slice")


def _training(axes: Axes, curves: dict) -> None:
    for ink, name, label in ((INK[1], "loss", "training"), (INK[0], "validation_loss", "validation")):
        axes.plot(range(1, len(curves[name]) + 1), curves[name], color=ink, label=label)
    axes.axvline(curves["best_epoch"] + 1, color="0.8", zorder=0)
    axes.set(xlabel="epoch, or round of boosting", ylabel="loss, nats", title="Training")
    axes.legend(frameon=False)
