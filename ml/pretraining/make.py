"""From a snapshot and the lake to a backbone folder."""

import time
from dataclasses import asdict
from pathlib import Path

import keras
import pyarrow as pa

from ml.files import write_json
from ml.pretraining.config import Objective
from ml.pretraining.pretext import TooFewTrails
from ml.pretraining.pretrain import pretrain, split_users
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.snapshot import Snapshot
from ml.training.steps import both_ends
from ml.training.trails import fit_featurizer
from ml.training.verdicts import find_newcomers

CHECKPOINT, CURVES = "pretraining.npz", "curves.json"


def make_backbone(
    snapshot_folder: Path,
    events: Path,
    labels: pa.Table,
    config: TrainingConfig,
    objective: Objective,
    seed: int,
    *,
    out: Path,
) -> dict[str, object]:
    """Pre-trains on the snapshot's train slice and on all who were too new at as_of to be in the snapshot.

    Nothing of the users in its other slices is seen, so that they can still judge. The featurizer is the one that a
    model of this snapshot gets. Writes to `out` what Backbone.save does and curves.json.
    A pre-training that was broken off goes on from its newest epoch. Returns the facts in pretraining.json.
    Raises InputAbsent, TooFewTrails.
    """
    snapshot, began = Snapshot.load(snapshot_folder), time.perf_counter()
    labelled = snapshot.slice("train")
    newcomers = find_newcomers(
        events, labels, as_of=snapshot.as_of, label_delay=snapshot.label_delay, window=snapshot.window
    )
    featurizer = fit_featurizer(snapshot)
    training, held_out = split_trails([labelled, newcomers], featurizer, objective, seed)
    key = {
        "fingerprint": snapshot.fingerprint,
        "config": asdict(config),
        "objective": objective,
        "seed": seed,
        "users": [len(labelled), len(newcomers)],
        "backend": keras.backend.backend(),
    }
    checkpoint = Checkpoint(snapshot_folder / CHECKPOINT, key)
    backbone, curves = pretrain(training, held_out, featurizer, config, objective, seed, checkpoint=checkpoint)
    backbone.facts.update(
        as_of=snapshot.as_of.isoformat(),
        fingerprint=snapshot.fingerprint,
        objective=objective,
        config=asdict(config),
        seed=seed,
        users={"labelled": len(labelled), "newcomers": len(newcomers)},
        events=len(training.numeric) + len(held_out.numeric),
        parameters=backbone.model.count_params(),
        best_epoch=curves.best_epoch,
        held_out_loss=min(curves.validation_loss),
        backend=keras.backend.backend(),
        seconds=round(time.perf_counter() - began, 1),
    )
    write_json(out / CURVES, curves.to_dict())
    backbone.save(out)
    checkpoint.remove()
    return backbone.facts


def split_trails(parts: list[Sequences], featurizer: Featurizer, objective: Objective, seed: int) -> list[Steps]:
    """Both ends of the trails of those to learn from, and of those held out; to tell users apart, the newest alone,
    for two ends of one trail would count as two users.

    parts: of different users, with or without targets. Raises TooFewTrails.
    """
    names = [name for name in parts[0].events.column_names if name != "target"]
    trails = Sequences.concat(Sequences.of(part.events.select(names)) for part in parts)
    if len(trails) < 2:
        raise TooFewTrails(users=len(trails))
    held_out = split_users(len(trails), seed)[trails.row_users]
    cut = Sequences.newest if objective is Objective.COLES else both_ends
    return [featurizer.transform(cut(trails.keep(kept), featurizer.window)) for kept in (~held_out, held_out)]
