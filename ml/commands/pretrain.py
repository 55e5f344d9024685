"""The stage that pre-trains an encoder without labels."""

from typing import Annotated

import typer

from ml.commands.registered import backbones
from ml.commands.stage import AsOf, DagRunId, Seed, new_app, stage
from ml.commands.trained import learned_folder
from ml.contracts.intervals import parse_time
from ml.models.config import Architecture, Size
from ml.pretraining.config import Objective
from ml.settings import settings

app = new_app()


@stage(app)
def pretrain_encoder(
    as_of: AsOf,
    seed: Seed = 0,
    objective: Annotated[Objective, typer.Option(help="What the encoder learns to do without labels.")] = (
        Objective.NEXT_EVENT
    ),
    architecture: Annotated[Architecture, typer.Option(help="How the encoder looks back.")] = Architecture.GRU,
    size: Annotated[Size, typer.Option(help="How many weights the model to start from it has.")] = Size.DEFAULT,
    dag_run_id: DagRunId = "",
) -> dict:
    """Pre-train an encoder on the train slice and on users too new for the snapshot, and register it.

    A pre-training that was broken off goes on from its newest epoch.
    """
    from ml.ingest.label_store import LabelStore
    from ml.pretraining.make import make_backbone
    from ml.registry.backbones import register_backbone
    from ml.training.config import configure

    chosen, config, folder = settings(), configure(architecture, size), learned_folder(as_of) / "backbone"
    labels = LabelStore(chosen.database_url).known_at(parse_time(as_of))
    snapshot, events = learned_folder(as_of), chosen.lake / "events"
    facts = make_backbone(snapshot, events, labels, config, objective, seed, out=folder)
    registry = backbones()
    version = register_backbone(registry, folder, dag_run_id=dag_run_id)
    told = {name: facts[name] for name in ("users", "events", "held_out_loss")}
    return {"folder": folder, "model": registry.name, "version": version} | told
