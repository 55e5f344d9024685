"""What it is worth to weigh rare anomalous users up: the fusion with and without, judged on the same users.

Run by itself.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from ml.comparison.contenders import fit_configured
from ml.comparison.folds import cut_folds
from ml.comparison.history import History, read_history
from ml.comparison.material import Material
from ml.comparison.protocol import Protocol, load_protocol
from ml.comparison.questions import ask
from ml.datasets.find import find_dataset
from ml.datasets.marketplace import World, simulate
from ml.models.config import Architecture
from ml.training.config import DEFAULTS
from tests.bench.gains import judge_all, show

PROTOCOL = "marketplace-unseen"
SHARES = (0.12, 0.03)
BALANCES = (0.0, 0.5, 1.0)


def main(
    out: Annotated[Path, typer.Option(help="Folder for the shops, their lakes and the figures.")],
    share: Annotated[list[float] | None, typer.Option(help="Of the shoppers, anomalous; 0.12 and 0.03.")] = None,
    seeds: Annotated[int, typer.Option(help="How many; each fits every model once.")] = 3,
) -> None:
    """Fit the fusion with each balance to shops in which more or fewer are anomalous, and print what each finds."""
    protocol = load_protocol(PROTOCOL).model_copy(update={"unseen": []})
    for anomalous in share or SHARES:
        folder = out / f"share={anomalous}"
        files = folder / "marketplace"
        simulate(World(anomalous_share=anomalous), files)
        history = read_history(find_dataset(str(files)), protocol, folder / "lake")
        judged = pa.concat_tables(_judge(history, protocol, seed) for seed in range(seeds))
        show(judged, protocol, folder / "balance.json", shop=f"{anomalous:.0%} anomalous,")


def _judge(history: History, protocol: Protocol, seed: int) -> pa.Table:
    (fold,) = cut_folds(history, protocol, seed)
    material = Material(fold, ask(protocol), history.extras, protocol.window)
    configs = {f"balance {balance}": replace(DEFAULTS[Architecture.FUSION], balance=balance) for balance in BALANCES}
    return judge_all({name: fit_configured(one, material, seed) for name, one in configs.items()}, material, seed)


if __name__ == "__main__":
    typer.run(main)
