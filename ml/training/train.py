"""From a snapshot to a bundle: featurizer, model, the baseline, and what both say of held-out users."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras

from ml.errors import ExitCode, TrailguardError
from ml.evaluation.heldout import read_heldout
from ml.evaluation.views import cut_views
from ml.files import write_json
from ml.models.baseline import Baseline
from ml.models.boosting import Table
from ml.models.network import adapt_model, build_model
from ml.pretraining.backbone import Backbone
from ml.pretraining.transfer import translate
from ml.registry.digest import folder_digest
from ml.sequences.features import Featurizer
from ml.training.asked import asked_table, last_table
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.doubted import Doubt
from ml.training.epochs import Curves
from ml.training.evidence import fit_evidence
from ml.training.fit import fit_model
from ml.training.held_out import write_held_out
from ml.training.learned import Learned, LearnedBlend, LearnedNetwork, LearnedTrees
from ml.training.reference import typical_features
from ml.training.slices import LEARNED
from ml.training.snapshot import Snapshot
from ml.training.steps import TargetedSteps, targeted_steps
from ml.training.team import ALONE, Team
from ml.training.trails import fit_featurizer, read_trails
from ml.training.tuning import Tuning

CHECKPOINT = "checkpoint.npz"


class BackboneNeeded(TrailguardError):
    """Adapters, a frozen backbone and a mapping make sense only where training starts from a pre-trained one.

    Name one, or train all weights.
    """

    exit_code = ExitCode.USAGE


def train(
    snapshot_folder: Path,
    bundle: Path,
    config: TrainingConfig | None,
    seed: int,
    team: Team = ALONE,
    *,
    backbone_folder: Path | None = None,
    boosted: bool = False,
    mapping: Path | None = None,
    doubt_folder: Path | None = None,
) -> dict[str, object]:
    """Fits model and baseline on the snapshot's train slice, stopping early on its validation slice.

    config: of the network; None for none. boosted: whether trees are the model or, beside a network, half of it.
    Replaces `bundle` by: featurizer.json, item_record.parquet, the model's files (see Learned.save), reference.json,
    evidence.json, curves.json, baseline/ and training.json. Writes beside the snapshot, since it names users:
    heldout.parquet (see ml.evaluation.heldout).
    The same snapshot, config and seed give the same figures on the same machine.
    A network's training that was broken off goes on from its newest epoch. Worker 0 of a team writes; the others help
    to fit the network.
    backbone_folder: of a pre-trained backbone to start from, whose featurizer the model then reads with; with a mapping
    of this data set's names to the backbone's it keeps a featurizer of its own.
    doubt_folder: of what is thought of the snapshot's labels, if the network learns from them as from labels of which
    some are wrong.
    Returns the facts in training.json, or nothing for the others.
    """
    if mapping and not backbone_folder:
        raise BackboneNeeded(mapping=mapping)
    snapshot, began = Snapshot.load(snapshot_folder), time.perf_counter()
    if doubt_folder and config:
        doubt = Doubt.load(doubt_folder)
        snapshot, config = doubt.apply(snapshot), replace(config, wrong_labels=doubt.wrong)
    backbone = load_start(snapshot, backbone_folder, mapping, seed) if backbone_folder else None
    featurizer, *data = read_material(snapshot, backbone)
    origin = folder_digest(backbone_folder) if backbone_folder else ""
    declared = mapping.read_text() if mapping else ""
    key = {"fingerprint": snapshot.fingerprint, "config": config and asdict(config), "seed": seed, "workers": team.size}
    checkpoint = Checkpoint(
        snapshot_folder / CHECKPOINT,
        key | {"backend": keras.backend.backend(), "backbone": origin, "mapping": declared},
    )
    network = None
    if config:
        fitted = fit_network(*data, featurizer, config, seed, team=team, backbone=backbone, checkpoint=checkpoint)
        network = LearnedNetwork(*fitted, config, seed, origin)
    if team.rank > 0:
        return {}
    facts = finish(snapshot_folder, bundle, snapshot, featurizer, data, network, boosted=boosted, seed=seed)
    told = {"mapping": declared, "seconds": round(time.perf_counter() - began, 1)}
    write_json(bundle / "training.json", facts | told)
    checkpoint.remove()
    return facts | told


def finish(
    folder: Path,
    bundle: Path,
    snapshot: Snapshot,
    featurizer: Featurizer,
    data: Sequence[TargetedSteps],
    network: LearnedNetwork | None,
    *,
    boosted: bool,
    seed: int,
) -> dict[str, object]:
    """What a training does once its network has learned: trees, the baseline, what both say of held-out users.

    folder: of the snapshot. data: as of read_material. Returns the training's facts.
    """
    learned = _add_trees(network, snapshot, data, featurizer, seed) if boosted else network
    views = (_views(snapshot, featurizer, name) for name in LEARNED)
    baseline = Baseline.fit(*views, seed=seed)
    told = _write_bundle(bundle, learned, baseline, featurizer, data[0])
    write_held_out(folder, snapshot, learned.logits, baseline, featurizer)
    evidence = fit_evidence(*data, read_heldout(folder), featurizer, seed=seed)
    evidence.save(bundle)
    return {
        "fingerprint": snapshot.fingerprint,
        "as_of": snapshot.as_of.isoformat(),
        "seed": seed,
        **told,
        "features": len(featurizer.numeric_names) + len(featurizer.categorical_names),
        "fewest_events": evidence.fewest_events,
        "farthest": round(evidence.farthest, 3),
    }


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
    training, validation = (targeted_steps(part, featurizer) for part in read_trails(snapshot))
    return featurizer, training, validation


def _add_trees(
    network: LearnedNetwork | None, snapshot: Snapshot, data: Sequence[TargetedSteps], featurizer: Featurizer, seed: int
) -> LearnedTrees | LearnedBlend:
    """Trees alone, or a blend of them and the network."""
    tables = (asked_table(*part, featurizer) for part in zip(read_trails(snapshot), data, strict=True))
    trees = LearnedTrees.fit(*tables, featurizer, seed)
    return LearnedBlend.fit(network, trees, snapshot.slice("validation"), featurizer) if network else trees


def _write_bundle(
    bundle: Path, learned: Learned, baseline: Baseline, featurizer: Featurizer, training: TargetedSteps
) -> dict[str, object]:
    """All that evidence and the facts of the training are not. Returns the model's facts."""
    shutil.rmtree(bundle, ignore_errors=True)  # another model's files would be taken for this one's
    featurizer.save(bundle)
    told = learned.save(bundle)
    baseline.save(bundle / "baseline")
    write_json(bundle / "reference.json", typical_features(featurizer, training.steps, training.targets))
    write_json(bundle / "curves.json", learned.curves.to_dict())
    return told


def _views(snapshot: Snapshot, featurizer: Featurizer, name: str) -> dict[str, Table]:
    views = cut_views(snapshot.slice(name), snapshot.window)
    return {view: last_table(cut, featurizer) for view, cut in views.items()}
