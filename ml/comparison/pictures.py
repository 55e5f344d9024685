"""Pictures of a comparison, as SVG text that stands in the page."""

import io
from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import precision_recall_curve, roc_curve

from ml.comparison.judge import rows_of
from ml.evaluation.metrics import reliability

COLOURS = plt.colormaps["tab10"].colors
NAMES = {"roc_auc": "ROC AUC", "average_precision": "average precision"}


def draw_scores(scores: list[dict]) -> str:
    """Every model's figure with its interval, view by view. scores: of report.json."""
    models, prefixes = (list(dict.fromkeys(str(row[key]) for row in scores)) for key in ("model", "prefix"))

    def draw(axes: np.ndarray) -> None:
        for one, (metric, name) in zip(axes, NAMES.items(), strict=True):
            for row in (row for row in scores if row["metric"] == metric):
                index = models.index(row["model"])
                place = prefixes.index(row["prefix"]) + (index - (len(models) - 1) / 2) * 0.12
                around = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
                first = row["prefix"] == prefixes[0]
                one.errorbar(
                    place,
                    row["mean"],
                    around,
                    fmt="o",
                    ms=4,
                    color=COLOURS[index % 10],
                    label=row["model"] if first else None,
                )
            one.set(
                xticks=range(len(prefixes)), xticklabels=prefixes, xlabel="events seen", title=f"{name}, 95 % intervals"
            )
        axes[0].legend(frameon=False, fontsize=8)

    return _svg(draw, columns=2)


def draw_curves(predictions: pa.Table, prefix: str) -> str:
    """ROC, precision and recall, and reliability of one view, each model's first seed, all folds."""
    seen = rows_of(predictions, prefix=prefix)
    seen = rows_of(seen, seed=seen["seed"][0])
    models = pc.unique(seen["model"]).to_pylist()

    def draw(axes: np.ndarray) -> None:
        for index, model in enumerate(models):
            rows = rows_of(seen, model=model)
            targets, probability = rows["target"].to_numpy(), rows["probability"].to_numpy()
            style = {"color": COLOURS[index % 10], "lw": 1.2, "label": model}
            false_positive, true_positive, _ = roc_curve(targets, rows["logit"].to_numpy())
            axes[0].plot(false_positive, true_positive, **style)
            precision, recall, _ = precision_recall_curve(targets, rows["logit"].to_numpy())
            axes[1].plot(recall, precision, **style)
            axes[2].plot(*reliability(probability, targets), "o-", ms=3, **style)
        _label(axes, prefix)

    return _svg(draw, columns=3)


def _label(axes: np.ndarray, prefix: str) -> None:
    axes[0].set(xlabel="good users flagged", ylabel="anomalous users flagged", title=f"ROC at {prefix}")
    axes[0].set_xscale("symlog", linthresh=1e-3)
    axes[0].set_xlim(0, 1)
    axes[1].set(xlabel="recall", ylabel="precision", title="Precision and recall")
    axes[2].plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes[2].set(xlabel="stated probability", ylabel="observed share", title="Reliability")
    axes[0].legend(frameon=False, fontsize=8)


def _svg(draw: Callable[[np.ndarray], None], *, columns: int) -> str:
    figure, axes = plt.subplots(1, columns, figsize=(4 * columns, 3.4))
    draw(axes)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg")
    plt.close(figure)
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]  # without the XML declaration, which no HTML page may hold
