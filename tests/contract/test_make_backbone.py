"""From a lake to a registered backbone, and from there to a model."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.models.files import load_keras
from ml.models.step_inputs import StepInputs
from ml.pretraining.backbone import Backbone, BackboneTooNew, BackboneUnfit
from ml.pretraining.config import Objective
from ml.pretraining.make import make_backbone, split_trails
from ml.registry.backbones import register_backbone
from ml.registry.model_registry import ModelRegistry
from ml.sequences.features import Featurizer
from ml.training.config import TrainingConfig
from ml.training.slices import Shares
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.trails import fit_featurizer
from ml.training.train import BackboneNeeded, train
from ml.training.tuning import Tuning
from ml.training.verdicts import find_newcomers
from tests.trails import EXTRAS, START, staggered_events, staggered_labels, write_lake

AS_OF, DELAY = START + timedelta(days=40), timedelta(days=10)
CONFIG = TrainingConfig(width=8, epochs=2, users_per_step=32, rank=2)
FILES = {"backbone.keras", "featurizer.json", "item_record.parquet", "pretraining.json", "curves.json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the lake's `events`."""
    folder = tmp_path_factory.mktemp("shop")
    write_lake(folder, staggered_events())
    return folder


def snap(folder: Path, as_of: datetime, out: Path) -> Snapshot:
    shares = Shares(0.5, 0.2, 0.1, 0.1, 0.1)
    return make_snapshot(folder / "events", staggered_labels(), as_of=as_of, label_delay=DELAY, window=8,
                         extras=EXTRAS, out=out, shares=shares)  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(folder: Path) -> Snapshot:
    return snap(folder, AS_OF, folder / "snapshot")


@pytest.fixture(scope="module")
def backbone(folder: Path, snapshot: Snapshot) -> Path:
    out = folder / "backbone"
    make_backbone(folder / "snapshot", folder / "events", staggered_labels(), CONFIG, Objective.NEXT_EVENT, 0, out=out)
    return out


def test_newcomers_are_exactly_those_whom_the_snapshot_leaves_out(folder: Path, snapshot: Snapshot):
    found = find_newcomers(folder / "events", staggered_labels(), as_of=AS_OF, label_delay=DELAY, window=8)
    newcomers, known = set(found.user_ids.to_pylist()), set(snapshot.users["user_id"].to_pylist())
    before = [time < AS_OF for time in staggered_events()["event_time"].to_pylist()]
    everybody = {user for user, seen in zip(staggered_events()["user_id"].to_pylist(), before, strict=True) if seen}
    assert len(newcomers) > 20
    assert not newcomers & known
    assert newcomers | known == everybody
    assert max(found.events["event_time"].to_pylist()) < AS_OF


def test_a_backbone_has_seen_the_train_slice_and_the_newcomers(backbone: Path, snapshot: Snapshot):
    assert {path.name for path in backbone.iterdir()} == FILES
    facts = json.loads((backbone / "pretraining.json").read_text())
    assert facts["users"]["labelled"] == snapshot.counts()["train"]["users"]
    assert facts["users"]["newcomers"] > 20
    assert facts["as_of"] == AS_OF.isoformat()
    assert facts["held_out_loss"] < json.loads((backbone / "curves.json").read_text())["loss"][0]
    assert not (backbone.parent / "snapshot" / "pretraining.npz").exists()


def test_each_user_has_one_trail_where_users_are_told_apart_and_both_ends_elsewhere(snapshot: Snapshot):
    users, featurizer = snapshot.slice("train"), fit_featurizer(snapshot)
    trails = {
        objective: [len(steps.lengths) for steps in split_trails([users], featurizer, objective, 0)]
        for objective in Objective
    }
    held_out = round(len(users) / 10)
    assert trails[Objective.COLES] == [len(users) - held_out, held_out]
    assert trails[Objective.NEXT_EVENT] == trails[Objective.MASKED_EVENT]
    assert sum(trails[Objective.NEXT_EVENT]) > len(users)


@pytest.mark.filterwarnings("default:::mlflow")
def test_the_registry_gives_a_backbone_back(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # where MLflow keeps what has no server
    registry = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", "shop-backbone")
    assert [register_backbone(registry, backbone, dag_run_id="by hand") for _ in range(2)] == ["1", "2"]
    fetched = registry.fetch("2", tmp_path / "models")
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == {
        path.name: path.read_bytes() for path in backbone.iterdir()
    }
    run = registry.client.get_run(registry.run_id("2"))
    assert run.data.params["objective"] == "next-event"
    assert len(registry.client.get_metric_history(registry.run_id("2"), "validation_loss")) == CONFIG.epochs


def test_a_model_starts_from_the_backbone_and_reads_as_it_does(backbone: Path, folder: Path, tmp_path: Path):
    config = replace(CONFIG, tuning=Tuning.FROZEN)
    facts = train(folder / "snapshot", tmp_path / "bundle", config, 0, backbone_folder=backbone)
    loaded, model = Backbone.load(backbone), load_keras(tmp_path / "bundle" / "model.keras")
    compared = [(layer.get_weights(), model.get_layer(layer.name).get_weights()) for layer in loaded.model.layers]
    assert sum(len(theirs) for theirs, _ in compared) > 4
    assert all((one == other).all() for both in compared for one, other in zip(*both, strict=True))
    assert replace(Featurizer.load(tmp_path / "bundle"), record=None) == replace(loaded.featurizer, record=None)
    assert 0 < facts["trained_share"] < 0.5
    assert len(facts["backbone_sha256"]) == 64
    assert facts["config"]["tuning"] == "frozen"
    assert facts["onnx_difference"] < 1e-5


def test_with_a_mapping_a_model_starts_from_the_backbone_and_reads_by_itself(
    backbone: Path, folder: Path, tmp_path: Path
):
    (tmp_path / "mapping.yaml").write_text("columns: {note: null}")
    config, options = replace(CONFIG, tuning=Tuning.FROZEN, epochs=1), {"mapping": tmp_path / "mapping.yaml"}
    facts = train(folder / "snapshot", tmp_path / "bundle", config, 0, backbone_folder=backbone, **options)
    loaded, model = Backbone.load(backbone), load_keras(tmp_path / "bundle" / "model.keras")
    recurrent = [each.get_layer("gru_0").get_weights() for each in (loaded.model, model)]
    assert all((one == other).all() for one, other in zip(*recurrent, strict=True))
    featurizer = Featurizer.load(tmp_path / "bundle")
    assert replace(featurizer, record=None) == replace(fit_featurizer(Snapshot.load(folder / "snapshot")), record=None)
    rows = StepInputs.of(model, config.shape(featurizer)).rows
    silent = {name for name, row in zip(featurizer.numeric_names, rows, strict=True) if not row.any()}
    assert silent == {name for name in featurizer.numeric_names if name.startswith("note")} != set()
    assert facts["mapping"] == "columns: {note: null}"
    with pytest.raises(BackboneNeeded, match="mapping="):
        train(folder / "snapshot", tmp_path / "none", config, 0, **options)


def test_a_backbone_that_saw_later_events_or_another_window_is_refused(
    backbone: Path, folder: Path, snapshot: Snapshot, tmp_path: Path
):
    loaded = Backbone.load(backbone)
    earlier = snap(folder, AS_OF - timedelta(days=1), tmp_path / "earlier")
    with pytest.raises(BackboneTooNew, match="as_of="):
        loaded.featurizer_for(earlier)
    with pytest.raises(BackboneUnfit, match="window=8"):
        loaded.featurizer_for(replace(snapshot, window=16))
    later = replace(snapshot, as_of=AS_OF + timedelta(days=7))
    assert loaded.featurizer_for(later).record is later.record
    assert np.isfinite(list(loaded.featurizer.means.values())).all()
