"""What models find, and how much more than the first of them, paired over the users judged."""

from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from ml.comparison.contenders import FittedNetwork
from ml.comparison.estimates import measure
from ml.comparison.fitted import Trained
from ml.comparison.judge import judge
from ml.comparison.material import Material
from ml.comparison.protocol import Protocol
from ml.comparison.questions import ask
from ml.files import write_json
from tests.bench.__main__ import machine

METRICS = ("average_precision", "roc_auc")


def judge_all(fitted: dict[str, FittedNetwork], material: Material, seed: int) -> pa.Table:
    """PREDICTIONS of the networks, each fitted again to the validation users, as `python -m ml evaluate` does."""
    return pa.concat_tables(
        judge(Trained(first, first.refit(material, seed)), material, model=name, seed=seed)
        for name, first in fitted.items()
    )


def show(predictions: pa.Table, protocol: Protocol, path: Path, shop: str = "") -> None:
    """Prints a row for each prefix, metric and model, and keeps the rows at `path`."""
    table, kept = Table(title=f"{shop} {machine()}".strip()), []
    for title in ("events seen", "metric", "model", "mean", "more than the first, 95 %"):
        table.add_column(title)
    for prefix in ask(protocol).views:
        one = measure(predictions, prefix, budget=protocol.budget, seed=0)
        for metric in METRICS:
            for model in one.draws:
                mean, gain = one.estimate(model, metric).value, one.difference(model, one.baseline, metric)
                told = "" if model == one.baseline else f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
                table.add_row(str(prefix), metric, model, f"{mean:.4f}", told)
                kept.append({"prefix": prefix, "metric": metric, "model": model, "mean": mean, "gain": vars(gain)})
    write_json(path, kept)
    Console().print(table)
