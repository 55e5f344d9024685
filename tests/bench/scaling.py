"""What more weights and more labelled users are worth: one network for each pair of them, judged on the same users.

Run by itself, on a folder with the files of wikipedia-edits; a pair that was measured is not measured again.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from tqdm import tqdm

from ml.comparison.contenders import FittedNetwork
from ml.comparison.estimates import measure
from ml.comparison.fitted import Trained
from ml.comparison.folds import cut_folds
from ml.comparison.history import History, read_history
from ml.comparison.judge import judge
from ml.comparison.material import Material
from ml.comparison.protocol import Protocol, load_protocol
from ml.comparison.questions import ask
from ml.datasets.find import find_dataset
from ml.files import new_file, write_json
from ml.models.config import Architecture, Size
from ml.training.config import configure
from ml.training.train import fit_network
from tests.bench.__main__ import machine
from tests.bench.scaling_page import write_page

SIZES = (Size.SMALL, Size.MEDIUM)
SHARES = (0.1, 0.3, 1.0)
PREFIXES = (5, "all")
PROTOCOL = "wikipedia-edits"
SEED = 0
screen = Console(stderr=True)


def main(
    data: Annotated[Path, typer.Option(help="The folder of the files of wikipedia-edits.")],
    out: Annotated[Path, typer.Option(help="Folder for the lake and for what was measured.")],
    architecture: Annotated[Architecture, typer.Option(help="Of the networks.")] = Architecture.GRU,
    size: Annotated[list[Size] | None, typer.Option(help="Which sizes; small and medium by default.")] = None,
) -> None:
    """Measure each size with each share of the labelled users, and write docs/scaling.md and its chart."""
    if not data.is_dir():
        screen.print(f"nothing is measured: {data} is not a folder")
        return
    protocol = load_protocol(PROTOCOL).model_copy(update={"prefixes": PREFIXES})
    history = read_history(find_dataset(str(data)), protocol, out / "lake")
    pairs = list(product(SHARES, size or SIZES))
    rows = [
        row
        for share, chosen in tqdm(pairs, desc="fit", unit="model", disable=None)
        for row in measure_pair(history, protocol, architecture, chosen, share, out)
    ]
    write_json(out / "scaling.json", rows)
    write_page(rows, architecture=architecture, machine=machine())


def measure_pair(
    history: History, protocol: Protocol, architecture: Architecture, size: Size, share: float, out: Path
) -> Iterator[dict[str, object]]:
    """A row for each prefix."""
    path = out / f"{architecture}-{size}-{share}.parquet"
    if not path.exists():
        told = protocol.model_copy(update={"label_share": share})
        predictions = fit(history, told, architecture, size)
        with new_file(path) as unfinished:
            pq.write_table(predictions, unfinished)
    predictions = pq.read_table(path)
    facts = {name.decode(): int(value) for name, value in predictions.schema.metadata.items()}
    for prefix in ask(protocol).views:
        figures = measure(predictions, prefix, budget=protocol.budget, seed=SEED)
        scores = {row["metric"]: row for row in figures.scores()}
        found = {metric: scores[metric] for metric in ("roc_auc", "average_precision")}
        yield {"size": size, "share": share, "prefix": prefix, **facts, **found}


def fit(history: History, protocol: Protocol, architecture: Architecture, size: Size) -> pa.Table:
    """PREDICTIONS of the judged users, with the network's weights, users and epochs as metadata."""
    (fold,) = cut_folds(history, protocol, SEED)
    material = Material(fold, ask(protocol), history.extras, protocol.window)
    config = configure(architecture, size)
    model, curves = fit_network(material.training, material.validation, material.featurizer, config, SEED)
    fitted = FittedNetwork(model, config)
    predictions = judge(Trained(fitted, fitted), material, model=size, seed=SEED)
    users, epochs = len(fold.training.labels), len(curves.loss)
    facts = {"weights": model.count_params(), "users": users, "epochs": epochs, "best_epoch": curves.best_epoch + 1}
    return predictions.replace_schema_metadata({name: str(value) for name, value in facts.items()})


if __name__ == "__main__":
    typer.run(main)
