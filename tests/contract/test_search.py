"""A search trains on a snapshot, compares by its validation slice alone, and tells MLflow of each trial."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import keras
import mlflow
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.models.network import backbone_of, build_model
from ml.pretraining.backbone import Backbone
from ml.registry.search_log import EXPERIMENT, SearchLog
from ml.search.search import search
from ml.search.tuned import FILE, NothingTried
from ml.training.config import TrainingConfig
from ml.training.slices import Shares
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.train import fit_network, read_material
from tests.trails import EXTRAS, START, staggered_events, staggered_labels, write_lake

DEFAULT = TrainingConfig(width=8, epochs=2, users_per_step=64)
pytestmark = pytest.mark.filterwarnings("default:::mlflow")


def budget(questions: int) -> Callable[[], bool]:
    """Time is left for so many questions; a trial asks once before it begins and once in between its two epochs."""
    left = iter(range(questions))
    return lambda: next(left, None) is not None


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("shop")
    return make_snapshot(
        write_lake(folder, staggered_events()),
        staggered_labels(),
        as_of=START + timedelta(days=40),
        label_delay=timedelta(days=10),
        window=8,
        extras=EXTRAS,
        out=folder / "snapshot",
        shares=Shares(0.5, 0.2, 0.1, 0.1, 0.1),
    )


@pytest.fixture
def home(snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds `snapshot`, not searched yet."""
    monkeypatch.chdir(tmp_path)  # where MLflow keeps what has no server
    snapshot.save(tmp_path / "snapshot")
    return tmp_path


@pytest.fixture(scope="module")
def searched(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `snapshot`, on which three configurations were tried."""
    folder = tmp_path_factory.mktemp("searched")
    snapshot.save(folder / "snapshot")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert go_on(folder, 6) == found(folder)
    return folder


def go_on(folder: Path, questions: int, **options: object) -> dict[str, object]:
    log = SearchLog(f"sqlite:///{folder}/mlflow.db", dag_run_id="by hand")
    return search(folder / "snapshot", DEFAULT, seed=0, time_left=budget(questions), search_log=log,
                  shape_is_given=True, **options)  # fmt: skip


def found(folder: Path) -> dict[str, object]:
    return json.loads((folder / "snapshot" / FILE).read_text())["gru"]


def runs(folder: Path) -> dict[str, mlflow.entities.Run]:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    listed = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
    return {run.info.run_name: run for run in listed}


def test_the_default_comes_first_and_each_trial_is_a_run_below_the_searchs(searched: Path):
    tuned, trials = found(searched), runs(searched)
    (parent,) = [run for name, run in trials.items() if name.startswith("gru-")]
    assert len(trials) == 1 + sum(tuned["trials"].values()) == 4
    first = trials["trial 0"].data
    assert first.params == {name: str(getattr(DEFAULT, name)) for name in tuned["config"]}
    assert first.metrics["best_validation_loss"] == tuned["default_validation_loss"]
    assert tuned["validation_loss"] <= tuned["default_validation_loss"]
    for number in range(3):
        run = trials[f"trial {number}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["state"] == "complete"
        assert run.data.metrics["seconds"] > 0
        curve = mlflow.MlflowClient().get_metric_history(run.info.run_id, "validation_loss")
        assert [point.step for point in curve] == [1, 2]
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(parent.info.run_id)}
    assert artifacts == {"trials.csv", "history.png", "importances.png"}


def test_a_trial_says_what_training_by_itself_would(snapshot: Snapshot, searched: Path):
    featurizer, training, validation = read_material(snapshot)
    config = replace(DEFAULT, **found(searched)["config"])
    _, curves = fit_network(training, validation, featurizer, config, 0)
    assert min(curves.validation_loss) == found(searched)["validation_loss"]


def test_users_of_the_other_slices_are_never_read(snapshot: Snapshot, searched: Path, home: Path):
    seen = snapshot.users.filter(pc.is_in(snapshot.users["slice"], value_set=pa.array(["train", "validation"])))
    assert 0 < seen.num_rows < snapshot.users.num_rows
    sequences = snapshot.sequences.of_users(seen["user_id"].combine_chunks())
    replace(snapshot, users=seen, sequences=sequences).save(home / "snapshot")
    assert go_on(home, 2)["default_validation_loss"] == found(searched)["default_validation_loss"]


def test_a_search_goes_on_where_it_ended_with_the_trial_that_was_cut_off(home: Path, searched: Path):
    assert go_on(home, 3)["trials"] == {"complete": 1}  # the second trial has seen one epoch
    cut = runs(home)["trial 1"].data
    assert cut.tags["state"] == "fail"
    assert "best_validation_loss" not in cut.metrics
    assert go_on(home, 2)["trials"] == {"complete": 2}
    trials = runs(home)
    assert len(trials) == 4
    assert trials["trial 2"].data.params == cut.params == runs(searched)["trial 1"].data.params
    assert len({run.data.tags.get("mlflow.parentRunId") for run in trials.values()} - {None}) == 1


def test_without_a_trial_there_is_nothing_to_find(home: Path):
    with pytest.raises(NothingTried):
        go_on(home, 0)
    assert not (home / "snapshot" / FILE).exists()


def test_a_search_from_a_backbone_keeps_its_shape(snapshot: Snapshot, home: Path):
    featurizer, *_ = read_material(snapshot)
    keras.utils.set_random_seed(0)
    shape = replace(DEFAULT, width=12, layers=2).shape(featurizer)
    Backbone(backbone_of(build_model(shape)), shape, featurizer).save(home / "backbone")
    tuned = go_on(home, 2, backbone_folder=home / "backbone")
    assert tuned["trials"] == {"complete": 1}
    assert not {"width", "layers"} & set(tuned["config"])
