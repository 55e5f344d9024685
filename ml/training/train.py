"""From a snapshot to a bundle: featurizer, model, its ONNX twin, the baseline, and what both say of held-out users."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.errors import ExitCode, TrailguardError
from ml.evaluation.heldout import FILE as HELDOUT
from ml.evaluation.heldout import HELDOUT_SCHEMA
from ml.evaluation.views import DAY, cut_views, last_targets
from ml.files import new_file, write_json
from ml.models.baseline import Baseline, baseline_columns
from ml.models.files import export_onnx, save_keras
from ml.models.infer import infer_logits
from ml.models.network import adapt_model, build_model
from ml.pretraining.backbone import Backbone
from ml.pretraining.transfer import translate
from ml.registry.digest import folder_digest
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.epochs import Curves
from ml.training.fit import fit_model
from ml.training.learner import Learner
from ml.training.reference import typical_features
from ml.training.snapshot import Snapshot
from ml.training.steps import TargetedSteps, both_ends, targeted_steps
from ml.training.team import ALONE, Team
from ml.training.tuning import Tuning

CHECKPOINT = "checkpoint.npz"
HELD_OUT = ("validation", "calibration", "threshold", "test")


class BackboneNeeded(TrailguardError):
    """Adapters, a frozen backbone and a mapping make sense only where training starts from a pre-trained one.

    Name one, or train all weights.
    """

    exit_code = ExitCode.USAGE


def train(
    snapshot_folder: Path,
    bundle: Path,
    config: TrainingConfig,
    seed: int,
    team: Team = ALONE,
    *,
    backbone_folder: Path | None = None,
    mapping: Path | None = None,
) -> dict[str, object]:
    """Fits model and baseline on the snapshot's train slice, stopping early on its validation slice.

    Writes to `bundle`: featurizer.json, item_record.parquet, model.keras, model.onnx, model_last.onnx,
    reference.json, curves.json, baseline/ and training.json. Writes beside the snapshot, since it names users:
    heldout.parquet (see ml.evaluation.heldout).
    The same snapshot, config and seed give the same figures on the same machine.
    A training that was broken off goes on from its newest epoch. Worker 0 of a team writes; the others help to fit.
    backbone_folder: of a pre-trained backbone to start from, whose featurizer the model then reads with; with a mapping
    of this data set's names to the backbone's it keeps a featurizer of its own.
    Returns the facts in training.json, or nothing for the others.
    """
    if mapping and not backbone_folder:
        raise BackboneNeeded(mapping=mapping)
    snapshot = Snapshot.load(snapshot_folder)
    began = time.perf_counter()
    backbone = load_start(snapshot, backbone_folder, mapping, seed) if backbone_folder else None
    featurizer, training, validation = read_material(snapshot, backbone)
    origin = folder_digest(backbone_folder) if backbone_folder else ""
    declared = mapping.read_text() if mapping else ""
    key = {"fingerprint": snapshot.fingerprint, "config": asdict(config), "seed": seed, "workers": team.size}
    checkpoint = Checkpoint(
        snapshot_folder / CHECKPOINT,
        key | {"backend": keras.backend.backend(), "backbone": origin, "mapping": declared},
    )
    model, curves = fit_network(
        training, validation, featurizer, config, seed, team=team, backbone=backbone, checkpoint=checkpoint
    )
    if team.rank > 0:
        return {}
    fitted = time.perf_counter()
    views = (_views(snapshot, featurizer, name) for name in ("train", "validation"))
    baseline = Baseline.fit(*views, seed=seed)
    featurizer.save(bundle)
    save_keras(model, bundle / "model.keras")
    difference = export_onnx(model, bundle)
    baseline.save(bundle / "baseline")
    write_json(bundle / "reference.json", typical_features(featurizer, training.steps, training.targets))
    write_json(bundle / "curves.json", curves.to_dict())
    _write_heldout(snapshot_folder, snapshot, model, baseline, featurizer)
    facts = {
        "fingerprint": snapshot.fingerprint,
        "as_of": snapshot.as_of.isoformat(),
        "seed": seed,
        "config": asdict(config),
        "parameters": model.count_params(),
        "trained_share": round(Learner(model, config, seed).trained_share, 4),
        "backbone_sha256": origin,
        "mapping": declared,
        "features": len(featurizer.numeric_names) + len(featurizer.categorical_names),
        "best_epoch": curves.best_epoch,
        "validation_loss": min(curves.validation_loss),
        "onnx_difference": difference,
        "backend": keras.backend.backend(),
        "seconds": {"model": round(fitted - began, 1), "baseline": round(time.perf_counter() - fitted, 1)},
    }
    write_json(bundle / "training.json", facts)
    checkpoint.remove()
    return facts


def fit_network(
    training: TargetedSteps,
    validation: TargetedSteps | None,
    featurizer: Featurizer,
    config: TrainingConfig,
    seed: int,
    *,
    team: Team = ALONE,
    backbone: Backbone | None = None,
    checkpoint: Checkpoint | None = None,
    watch: Callable[[Curves], None] | None = None,
) -> tuple[keras.Model, Curves]:
    """A fitted model and its curves, started from a backbone where there is one.

    The same seed gives the same weights on a CPU. TensorFlow's own switch for deterministic operations stays off: the
    compiled step adds up in a fixed order without it, and Keras compiles nothing while it is on.
    watch: see run_epochs. Raises BackboneUnfit, BackboneNeeded.
    """
    keras.utils.set_random_seed(seed)
    shape = config.shape(featurizer)
    model = build_model(shape)
    if backbone:
        backbone.start(model, shape, featurizer)
    elif config.tuning is Tuning.FULL:
        adapt_model(model, training.steps.numeric)
    else:
        raise BackboneNeeded(tuning=config.tuning)
    curves = fit_model(
        model,
        training,
        validation,
        featurizer=featurizer,
        config=config,
        seed=seed,
        team=team,
        checkpoint=checkpoint,
        watch=watch,
    )
    return model, curves


def load_start(snapshot: Snapshot, folder: Path, mapping: Path | None, seed: int) -> Backbone:
    """The backbone of the folder; with a mapping, as it reads the snapshot. Raises InputAbsent, MappingInvalid."""
    backbone = Backbone.load(folder)
    return translate(backbone, fit_featurizer(snapshot), mapping, seed) if mapping else backbone


def read_material(
    snapshot: Snapshot, backbone: Backbone | None = None
) -> tuple[Featurizer, TargetedSteps, TargetedSteps]:
    """The featurizer, what is learned from and what says when to stop; the other slices are not touched.

    Raises BackboneUnfit, BackboneTooNew.
    """
    featurizer = backbone.featurizer_for(snapshot) if backbone else fit_featurizer(snapshot)
    parts = (both_ends(snapshot.slice(name), snapshot.window) for name in ("train", "validation"))
    training, validation = (targeted_steps(part, featurizer) for part in parts)
    return featurizer, training, validation


def fit_featurizer(snapshot: Snapshot) -> Featurizer:
    """Learned from the train slice."""
    sequences = both_ends(snapshot.slice("train"), snapshot.window)
    return Featurizer.fit(sequences, extras=snapshot.extras, window=snapshot.window, record=snapshot.record)


def _views(snapshot: Snapshot, featurizer: Featurizer, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    views = cut_views(snapshot.slice(name), snapshot.window)
    return {
        view: (baseline_columns(featurizer.transform(cut), featurizer), last_targets(cut))
        for view, cut in views.items()
    }


def _write_heldout(
    folder: Path, snapshot: Snapshot, model: keras.Model, baseline: Baseline, featurizer: Featurizer
) -> None:
    tables = []
    for name in HELD_OUT:
        sequences = snapshot.slice(name)
        for view, cut in cut_views(sequences, snapshot.window).items():
            steps = featurizer.transform(cut)
            logits, scores = infer_logits(model, steps), baseline.predict(view, baseline_columns(steps, featurizer))
            tables.append(_rows(cut, cut.last_rows, name, view, logits, scores))
        whole = sequences.first(snapshot.window)
        logits = infer_logits(model, featurizer.transform(whole))
        days = np.flatnonzero(whole.events["closes_day"].to_numpy())
        tables.append(_rows(whole, days, name, DAY, logits, None))
    with new_file(folder / HELDOUT) as unfinished:
        pq.write_table(pa.concat_tables(tables), unfinished)


def _rows(
    sequences: Sequences, rows: np.ndarray, name: str, view: str, logits: np.ndarray, scores: np.ndarray | None
) -> pa.Table:
    events = sequences.events.select(["user_id", "ordinal", "target"]).take(pa.array(rows))
    columns = {
        "user_id": events["user_id"],
        "slice": [name] * len(rows),
        "view": [view] * len(rows),
        "events": events["ordinal"],
        "target": events["target"],
        "logit": logits[rows],
        "baseline": pa.nulls(len(rows), pa.float64()) if scores is None else scores,
    }
    return pa.table(columns, schema=HELDOUT_SCHEMA)
