"""What pre-training on one data set is worth to another.

A fusion that has seen a simulated shop's trails, without labels, learns Wikipedia's vandals from a tenth of the labels,
beside one that has seen nothing. Run by itself.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml.comparison.contenders import fit_configured
from ml.comparison.folds import cut_folds
from ml.comparison.history import read_history
from ml.comparison.material import Material
from ml.comparison.protocol import load_protocol
from ml.comparison.questions import ask
from ml.datasets.find import find_dataset
from ml.datasets.marketplace import World
from ml.models.config import Architecture
from ml.pretraining.backbone import Backbone
from ml.pretraining.config import Objective
from ml.pretraining.make import split_trails
from ml.pretraining.pretrain import pretrain
from ml.pretraining.transfer import translate
from ml.sequences.build import Selection, build_sequences
from ml.sequences.features import Featurizer
from ml.training.config import DEFAULTS, TrainingConfig
from ml.training.steps import both_ends
from tests.bench.gains import judge_all, show
from tests.bench.shop import build_lake

MAPPING = Path(__file__).with_name("wikipedia-edits-as-marketplace.yaml")
PROTOCOL = "wikipedia-edits-few-labels"
WINDOW = 64
SEED = 0
screen = Console()


def main(
    data: Annotated[Path, typer.Option(help="The folder of the files of wikipedia-edits.")],
    out: Annotated[Path, typer.Option(help="Folder for both lakes, the backbone and the figures.")],
    events: Annotated[int, typer.Option(help="Of the simulated shop.")] = 200_000,
) -> None:
    """Pre-train on the shop, fit to the labels with and without, and print both models' figures."""
    if not data.is_dir():
        screen.print(f"nothing is measured: {data} is not a folder")
        return
    config, protocol = DEFAULTS[Architecture.FUSION], load_protocol(PROTOCOL)
    backbone = pretrain_on_shop(out, events, config)
    history = read_history(find_dataset(str(data)), protocol, out / "lake")
    (fold,) = cut_folds(history, protocol, SEED)
    material = Material(fold, ask(protocol), history.extras, protocol.window)
    carried = translate(backbone, material.featurizer, MAPPING, SEED)
    starts = {"from scratch": None, "pre-trained on the shop": carried}
    fitted = {name: fit_configured(config, material, SEED, start) for name, start in starts.items()}
    show(judge_all(fitted, material, SEED), protocol, out / "transfer.json")


def pretrain_on_shop(out: Path, events: int, config: TrainingConfig) -> Backbone:
    """The backbone in `out`, made first where there is none."""
    folder, lake = out / "backbone", out / "shop"
    if not folder.exists():
        lake.mkdir(parents=True, exist_ok=True)
        build_lake(lake, events)
        world = World()
        ended = Selection(before=world.midnight + timedelta(days=world.days), window=WINDOW, keep="ends")
        trails = build_sequences(lake / "events", ended)
        extras = find_dataset("marketplace").extras
        featurizer = Featurizer.fit(both_ends(trails, WINDOW), extras=extras, window=WINDOW)
        training, held_out = split_trails([trails], featurizer, Objective.NEXT_EVENT, SEED)
        made, curves = pretrain(training, held_out, featurizer, config, Objective.NEXT_EVENT, SEED)
        screen.print(f"pre-trained on {len(trails):,} trails, held-out loss {min(curves.validation_loss):.4f}")
        made.save(folder)
    return Backbone.load(folder)


if __name__ == "__main__":
    typer.run(main)
