"""Several workers, one of them killed, and another backend: all give the curves of one TensorFlow process."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from ml.errors import ExitCode
from ml.models.config import Architecture
from ml.models.files import save_keras
from ml.models.network import build_model
from ml.sequences.features import Featurizer
from ml.training.launch import WorkerFailed, launch
from ml.training.slices import Shares
from ml.training.snapshot import make_snapshot
from ml.training.team import Team
from ml.training.train import CHECKPOINT, train
from tests.integration.fit_start import CONFIG, fit_start
from tests.trails import EXTRAS, START, staggered_events, staggered_labels, write_lake

TOLERANCE = 1e-4  # of the loss, after 12 epochs of float32 rounding
SEED = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `snapshot`: 200 users, of whom every third is fraudulent."""
    folder = tmp_path_factory.mktemp("training")
    make_snapshot(
        write_lake(folder / "events", staggered_events()),
        staggered_labels(),
        as_of=START + timedelta(days=60),
        label_delay=timedelta(days=10),
        window=16,
        extras=EXTRAS,
        out=folder / "snapshot",
        shares=Shares(0.5, 0.2, 0.1, 0.1, 0.1),
    )
    return folder


@pytest.fixture(scope="module")
def of_one_worker(folder: Path) -> Path:
    """The bundle."""
    train(folder / "snapshot", folder / "one", CONFIG, SEED)
    return folder / "one"


def assert_same_curves(found: dict, expected: dict) -> None:
    assert expected["loss"][-1] < 0.99 * expected["loss"][0]
    for name in ("loss", "validation_loss"):
        assert len(found[name]) == CONFIG.epochs
        assert found[name] == pytest.approx(expected[name], rel=TOLERANCE)


def read_curves(bundle: Path) -> dict:
    return json.loads((bundle / "curves.json").read_text())


def new_model(architecture: Architecture, bundle: Path) -> keras.Model:
    """For the bundle's features."""
    config = replace(CONFIG, architecture=architecture)
    keras.utils.set_random_seed(SEED)
    return build_model(config.shape(Featurizer.load(bundle)))


def logits(bundle: Path) -> np.ndarray:
    """What the bundle's model says of 20 drawn sequences."""
    rng = np.random.default_rng(0)
    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    shapes = {given.name: given.shape[-1] for given in session.get_inputs()}
    inputs = {
        "numeric": rng.normal(size=(20, 16, shapes["numeric"])).astype(np.float32),
        "categorical": rng.integers(0, 2, (20, 16, shapes["categorical"]), dtype=np.int32),
    }
    return session.run(["logits"], inputs)[0]


def kill_a_worker_once_there_is(checkpoint: Path, victims: list[int]) -> None:
    """Kills worker 1, as the system does where memory ends."""
    while not checkpoint.exists():
        time.sleep(0.01)
    worker = max(multiprocessing.active_children(), key=lambda process: process.pid)
    os.kill(worker.pid, signal.SIGKILL)
    victims.append(worker.pid)


def fail(team: Team) -> None:
    """Worker 1 fails by itself while worker 0 waits for it."""
    if team.rank == 1:
        sys.exit(ExitCode.REFUSED)
    team.add(np.zeros(1))


@pytest.mark.parametrize("killed", [False, True])
def test_two_workers_give_the_curves_and_the_model_of_one(
    killed: bool, folder: Path, of_one_worker: Path, tmp_path: Path, capfd: pytest.CaptureFixture
):
    snapshot, victims = folder / "snapshot", []
    killer = threading.Thread(target=kill_a_worker_once_there_is, args=(snapshot / CHECKPOINT, victims), daemon=True)
    if killed:
        killer.start()
    restarts = launch(partial(train, snapshot, tmp_path, CONFIG, SEED), workers=2)
    assert restarts == len(victims) == int(killed)
    assert capfd.readouterr().err.count("epoch 1 of 12:") == 1  # the second start went on
    assert_same_curves(read_curves(tmp_path), read_curves(of_one_worker))
    assert np.abs(logits(tmp_path) - logits(of_one_worker)).max() < 0.01 * np.abs(logits(of_one_worker)).max()
    assert not (snapshot / CHECKPOINT).exists()


def test_a_worker_that_fails_by_itself_is_not_started_again():
    with pytest.raises(WorkerFailed, match=r"\[0, 3\]") as failure:
        launch(fail, workers=2)
    assert failure.value.exit_code == ExitCode.REFUSED


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: `make install` brings it")
@pytest.mark.parametrize("architecture", list(Architecture))
def test_jax_gives_the_curves_of_tensorflow_where_tensorflow_cannot_be_imported(
    architecture: Architecture, folder: Path, of_one_worker: Path
):
    save_keras(new_model(architecture, of_one_worker), folder / "start.keras")
    command = [sys.executable, "-m", "tests.integration.fit_start", str(folder)]
    done = subprocess.run(
        command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert_same_curves(found, fit_start(folder))
    assert found["onnx_difference"] < 1e-5
