"""A search in MLflow: one run in an experiment of its own, and below it one for each trial."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow

EXPERIMENT = "trailguard-tuning"
STUDY = "study"  # the tag that tells which search a run belongs to


class SearchLog:
    """Meets MLflow for one search at a time.

    Args:
        tracking_uri: address of the MLflow server.
    """

    def __init__(self, tracking_uri: str, *, dag_run_id: str):
        mlflow.set_tracking_uri(tracking_uri)
        self.dag_run_id = dag_run_id

    @contextmanager
    def search(self, study: str, **facts: object) -> Iterator[None]:
        """The search's run, gone on with where there is one already."""
        mlflow.set_experiment(EXPERIMENT)
        found = mlflow.search_runs(
            experiment_names=[EXPERIMENT], filter_string=f"tags.{STUDY} = '{study}'", output_format="list"
        )
        with mlflow.start_run(run_id=found[0].info.run_id if found else None, run_name=study):
            mlflow.set_tags({STUDY: study, "dag_run_id": self.dag_run_id})
            mlflow.log_params(facts)
            yield

    @contextmanager
    def trial(self, number: int, params: dict[str, object]) -> Iterator[None]:
        """A trial's run, below the search's."""
        with mlflow.start_run(run_name=f"trial {number}", nested=True):
            mlflow.log_params(params)
            yield

    def epoch(self, number: int, loss: float, validation_loss: float) -> None:
        mlflow.log_metrics({"loss": loss, "validation_loss": validation_loss}, step=number + 1)

    def outcome(self, state: str, loss: float | None, *, seconds: float) -> None:
        """Of the trial. loss: the best epoch's validation loss, where the trial is complete."""
        mlflow.set_tag("state", state)
        best = {} if loss is None else {"best_validation_loss": loss}
        mlflow.log_metrics(best | {"seconds": round(seconds, 1)})

    def conclude(self, found: dict[str, object], draw: Callable[[Path], None]) -> None:
        """Of the search. found: a part of tuned.json. draw: writes the artifacts into a folder."""
        losses = ("validation_loss", "default_validation_loss")
        mlflow.log_metrics({name: found[name] for name in losses if found[name] is not None})
        mlflow.set_tags({f"best_{name}": value for name, value in found["config"].items()})
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder))
            mlflow.log_artifacts(folder)
