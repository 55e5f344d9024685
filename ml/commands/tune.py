"""The stage that searches for a better configuration than the default."""

import time
from typing import Annotated

import typer

from ml.commands.stage import AsOf, DagRunId, Seed, new_app, stage
from ml.commands.train import find_backbone
from ml.commands.trained import learned_folder
from ml.models.config import Architecture, Size
from ml.settings import settings
from ml.training.tuning import Tuning

app = new_app()


@stage(app)
def tune_model(
    as_of: AsOf,
    minutes: Annotated[float, typer.Option(min=0, help="No trial or epoch begins after so many.")] = 10,
    seed: Seed = 0,
    architecture: Annotated[Architecture, typer.Option(help="How the model looks back.")] = Architecture.GRU,
    size: Annotated[Size, typer.Option(help="How many weights it has; by default that is searched for.")] = (
        Size.DEFAULT
    ),
    backbone: Annotated[
        str, typer.Option(help="Pre-trained backbone to start from: a folder, or a version of the registered one.")
    ] = "",
    tuning: Annotated[Tuning, typer.Option(help="Which weights of the backbone move.")] = Tuning.FULL,
    dag_run_id: DagRunId = "",
) -> dict:
    """Search for a better configuration on the train and validation slices, within minutes, and log it to MLflow.

    The default is tried first. Another search of the same snapshot and seed goes on where this one ended.
    """
    ends = time.monotonic() + 60 * minutes

    from ml.registry.search_log import SearchLog
    from ml.search.search import search
    from ml.search.tuned import FILE
    from ml.training.config import configure

    folder = learned_folder(as_of)
    found = search(
        folder,
        configure(architecture, size, tuning=tuning),
        seed=seed,
        time_left=lambda: time.monotonic() < ends,
        search_log=SearchLog(settings().mlflow_tracking_uri, dag_run_id=dag_run_id),
        backbone_folder=find_backbone(backbone) if backbone else None,
        shape_is_given=size is not Size.DEFAULT,
    )
    return {"file": folder / FILE, "architecture": architecture} | found
