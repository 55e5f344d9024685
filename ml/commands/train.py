"""Stages that train, calibrate, judge and register a model as of a day."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import backbones, candidates, models_folder
from ml.commands.stage import AsOf, DagRunId, Seed, new_app, stage
from ml.commands.trained import (
    HowLearned,
    Learning,
    bundle_of,
    comparison_folder,
    freeze_snapshot,
    learned_folder,
    load_snapshot,
    report_of,
)
from ml.contracts.intervals import parse_time
from ml.files import write_json
from ml.models.config import Size
from ml.settings import settings
from ml.training.candidates import BOOSTED, NETWORKS, WINNER, Candidate, Choice, OnlyForNetworks
from ml.training.tuning import Tuning

if TYPE_CHECKING:
    from ml.training.config import TrainingConfig
    from ml.training.team import Team

app = new_app()


@stage(app)
def take_snapshot(as_of: AsOf) -> dict:
    """Freeze what was known then: matured users, their trails and labels, cut into slices of time."""
    snapshot = freeze_snapshot(as_of, Learning.TRAINING)
    return {"fingerprint": snapshot.fingerprint, "slices": snapshot.counts(), "folder": learned_folder(as_of)}


@stage(app)
def doubt_labels(as_of: AsOf, seed: Seed = 0) -> dict:
    """Say how many of the snapshot's labels are wrong, and which, by boosted trees that have not seen them."""
    from ml.ingest.label_store import LabelStore
    from ml.training.doubted import Doubt

    chosen, folder = settings(), learned_folder(as_of) / "doubt"
    labels = LabelStore(chosen.database_url).known_at(parse_time(as_of))
    doubt = Doubt.of(load_snapshot(as_of), chosen.lake / "events", labels, seed=seed)
    doubt.save(folder)
    users = doubt.beliefs.num_rows
    return {"users": users, "wrong": round(doubt.wrong, 4), "contradicted": doubt.contradicted, "folder": folder}


@stage(app)
def fit_model(
    as_of: AsOf,
    seed: Seed = 0,
    architecture: Annotated[
        Choice, typer.Option(help="The model; `winner` is the one that compare-models named.")
    ] = Choice.GRU,
    size: Annotated[Size, typer.Option(help="How many weights a network has.")] = Size.DEFAULT,
    workers: Annotated[int, typer.Option(min=1, help="Processes of this machine that share each optimizer step.")] = 1,
    backbone: Annotated[
        str, typer.Option(help="Pre-trained backbone to start from: a folder, or a version of the registered one.")
    ] = "",
    mapping: Annotated[
        str,
        typer.Option(help="YAML file: what this data set's names are called in the one that the backbone has seen."),
    ] = "",
    tuning: Annotated[
        Tuning, typer.Option(help="Which weights move; only a backbone can be tuned in part.")
    ] = Tuning.FULL,
    tuned: Annotated[str, typer.Option(help="What tune-model found: a tuned.json; none for the defaults.")] = "",
    doubt: Annotated[
        str, typer.Option(help="What doubt-labels thinks of the labels: its folder; none to believe them.")
    ] = "",
) -> dict:
    """Fit the model and the LightGBM baseline on the train slice; the validation slice says when to stop.

    A network's training that was broken off goes on from its newest epoch.
    """
    from ml.search.tuned import read_tuned
    from ml.training.config import configure
    from ml.training.launch import launch
    from ml.training.team import ALONE

    candidate = _named_winner(as_of) if architecture == WINNER else Candidate(architecture)
    asked = {"size": size, "backbone": backbone, "mapping": mapping, "tuning": tuning, "tuned": tuned, "doubt": doubt}
    config = None
    if candidate in NETWORKS:
        network = NETWORKS[candidate]
        found = read_tuned(Path(tuned), network) if tuned else {}
        config = configure(network, size, **found, tuning=tuning)
    elif workers > 1 or asked != {**dict.fromkeys(asked, ""), "size": Size.DEFAULT, "tuning": Tuning.FULL}:
        raise OnlyForNetworks(architecture=candidate, **asked, workers=workers)
    options = {
        "boosted": candidate in BOOSTED,
        "backbone_folder": find_backbone(backbone) if backbone else None,
        "mapping": Path(mapping) if mapping else None,
        "doubt_folder": Path(doubt) if doubt else None,
    }
    work = partial(_train, learned_folder(as_of), bundle_of(as_of), config, seed, options)
    if workers == 1:
        return work(ALONE)
    restarts = launch(work, workers=workers)
    return json.loads((bundle_of(as_of) / "training.json").read_text()) | {"workers": workers, "restarts": restarts}


@stage(app)
def calibrate_scores(as_of: AsOf, learning: HowLearned = Learning.TRAINING) -> dict:
    """Fit logit -> probability on the days of the calibration slice's users."""
    from ml.calibration.probability import fit_probability
    from ml.evaluation.heldout import judged, read_heldout
    from ml.evaluation.views import DAY

    days = judged(read_heldout(learned_folder(as_of, learning)), "calibration", DAY)
    calibration = fit_probability(days.logits, days.targets)
    calibration.save(bundle_of(as_of, learning) / "calibration.json")
    return {"method": calibration.method, "days": calibration.rows, "anomalous": calibration.anomalous}


@stage(app)
def evaluate_model(as_of: AsOf, learning: HowLearned = Learning.TRAINING, seed: Seed = 0) -> dict:
    """Judge the model and the baseline on the test slice, and draw the report; say whom the model would not score."""
    from ml.evaluation.evaluate import evaluate
    from ml.evaluation.report import write_report
    from ml.evaluation.withheld import evaluate_withheld

    test = load_snapshot(as_of, learning).slice("test")
    metrics = evaluate(bundle_of(as_of, learning), test, seed=seed)
    write_json(bundle_of(as_of, learning) / "metrics.json", metrics)
    write_report(bundle_of(as_of, learning), report_of(as_of, learning), test)
    withheld = evaluate_withheld(bundle_of(as_of, learning), test, seed=seed)
    write_json(report_of(as_of, learning) / "withheld.json", withheld)
    return {"users": len(test), "metrics": brief(metrics), "withheld": withheld}


@stage(app)
def evaluate_later(
    as_of: AsOf,
    until: Annotated[str, typer.Option(help="Labels observed before this moment count.")],
    seed: Seed = 0,
) -> dict:
    """Judge a training on the users first seen after it, as far as their labels have matured."""
    from datetime import timedelta

    import pyarrow.compute as pc

    from ml.commands.ingest import descriptor
    from ml.evaluation.evaluate import evaluate
    from ml.ingest.label_store import LabelStore
    from ml.training.verdicts import know_users

    chosen, found = settings(), descriptor()
    users, sequences = know_users(
        chosen.lake / "events",
        LabelStore(chosen.database_url).known_at(parse_time(until)),
        as_of=parse_time(until),
        label_delay=timedelta(days=found.label_delay_days),
        window=chosen.window,
    )
    newcomers = users.filter(pc.greater_equal(users["first_event_time"], parse_time(as_of)))
    metrics = evaluate(bundle_of(as_of), sequences.of_users(newcomers["user_id"].combine_chunks()), seed=seed)
    write_json(report_of(as_of) / "later.json", metrics)
    counts = {"users": newcomers.num_rows, "anomalous": pc.sum(newcomers["label"]).as_py()}
    return counts | {"metrics": brief(metrics)}


@stage(app)
def register_candidate(as_of: AsOf, learning: HowLearned = Learning.TRAINING, dag_run_id: DagRunId = "") -> dict:
    """Log the training to MLflow and register its bundle among the candidates."""
    from ml.registry.register import Training, register

    chosen, snapshot = settings(), load_snapshot(as_of, learning)
    training = Training(
        as_of=snapshot.as_of.isoformat(),
        learning=learning,
        fingerprint=snapshot.fingerprint,
        snapshot=learned_folder(as_of, learning).resolve(),
        bundle=bundle_of(as_of, learning),
        report=report_of(as_of, learning),
        comparison=comparison_folder(as_of, learning),
        validations=sorted((chosen.lake / "validations").glob("*/*.json")),
        example=snapshot.slice("train").of_users(snapshot.users["user_id"][:3].combine_chunks()),
    )
    registry = candidates()
    return {"model": registry.name, "version": register(registry, training, dag_run_id=dag_run_id)}


def _train(
    folder: Path,
    bundle: Path,
    config: "TrainingConfig | None",
    seed: int,
    options: dict[str, bool | Path | None],
    team: "Team",
) -> dict:
    """What a worker does; the launcher need not import TensorFlow."""
    from ml.training.train import train

    return train(folder, bundle, config, seed, team, **options)


def _named_winner(as_of: str) -> Candidate:
    from ml.comparison.winner import SAFE, read_winner

    winner = read_winner(comparison_folder(as_of))
    typer.echo(f"The comparison names {winner}." if winner else f"The comparison names nobody: {SAFE} it is.")
    return winner or SAFE


def find_backbone(found: str) -> Path:
    """Of a folder, itself; of a version, the registered backbone's copy."""
    if not found.isdecimal():
        return Path(found)
    return backbones().fetch(found, models_folder())


def brief(metrics: dict) -> dict:
    """model -> view -> metric -> value, without the intervals."""
    return {
        model: {view: {name: e["value"] for name, e in found.items()} for view, found in views.items()}
        for model, views in metrics.items()
    }
