"""Workers that share every step give one worker's curves, also after one of them was killed."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.errors import ExitCode
from ml.training.config import TrainingConfig
from ml.training.launch import WorkerFailed, launch
from ml.training.slices import Shares
from ml.training.snapshot import make_snapshot
from ml.training.team import Team
from ml.training.train import CHECKPOINT, train
from tests.unit.trails import EXTRAS, START, label, label_table, random_events, write_lake

# Dropout draws each worker's own masks, so that only without it two workers compute what one does.
CONFIG = TrainingConfig(width=8, dropout=0.0, epochs=30, patience=30, users_per_step=16)
TOLERANCE = 1e-4  # of the loss, after 30 epochs of float32 rounding
USERS = [f"u{number:03d}" for number in range(200)]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 users who begin one after another; every third is fraudulent."""
    folder = tmp_path_factory.mktemp("training")
    events = random_events(users=200, events=2000, days=10)
    starts = [timedelta(hours=24 / 5 * int(user[1:])) for user in events["user_id"].to_pylist()]
    index = events.column_names.index("event_time")
    moved = pc.add(events["event_time"], pa.array(starts, pa.duration("us")))
    lake = write_lake(folder / "events", events.set_column(index, events.schema.field("event_time"), moved))
    known = [label(user, START + timedelta(days=9, hours=24 / 5 * int(user[1:]))) for user in USERS[::3]]
    make_snapshot(
        lake,
        label_table(*known),
        as_of=START + timedelta(days=60),
        label_delay=timedelta(days=10),
        window=16,
        extras=EXTRAS,
        out=folder / "snapshot",
        shares=Shares(0.5, 0.2, 0.1, 0.1, 0.1),
    )
    return folder / "snapshot"


@pytest.fixture(scope="module")
def of_one_worker(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    bundle = tmp_path_factory.mktemp("one") / "bundle"
    train(snapshot, bundle, CONFIG, 3)
    return json.loads((bundle / "curves.json").read_text())


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
def test_two_workers_give_the_curves_of_one(
    killed: bool, snapshot: Path, of_one_worker: dict, tmp_path: Path, capfd: pytest.CaptureFixture
):
    victims: list[int] = []
    killer = threading.Thread(target=kill_a_worker_once_there_is, args=(snapshot / CHECKPOINT, victims))
    if killed:
        killer.start()
    restarts = launch(partial(train, snapshot, tmp_path / "bundle", CONFIG, 3), workers=2)
    if killed:
        killer.join()
    assert restarts == len(victims) == int(killed)
    assert capfd.readouterr().err.count("epoch 1 of 30:") == 1
    curves = json.loads((tmp_path / "bundle" / "curves.json").read_text())
    for name in ("loss", "validation_loss"):
        assert len(curves[name]) == CONFIG.epochs
        assert curves[name] == pytest.approx(of_one_worker[name], rel=TOLERANCE)
    assert of_one_worker["loss"][-1] < of_one_worker["loss"][0]
    assert not (snapshot / CHECKPOINT).exists()


def test_a_worker_that_fails_by_itself_is_not_started_again():
    with pytest.raises(WorkerFailed, match=r"\[0, 3\]") as failure:
        launch(fail, workers=2)
    assert failure.value.exit_code == ExitCode.REFUSED
