"""A snapshot's labels are doubted, and a network learns from them as from labels of which some are wrong."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ml.errors import InputAbsent
from ml.sequences.item_record import ItemRecord
from ml.training.config import TrainingConfig
from ml.training.doubted import Doubt
from ml.training.slices import Shares
from ml.training.snapshot import Snapshot, SnapshotReplaced, make_snapshot
from ml.training.train import train
from tests.trails import EXTRAS, START, WRONGLY_NAMED, telling_events, write_lake, wrong_labels

AS_OF, DELAY = START + timedelta(days=55), timedelta(days=10)
SMALL = TrainingConfig(width=8, epochs=1, users_per_step=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, pa.Table]:
    """The snapshot's folder, the lake and the labels."""
    root = tmp_path_factory.mktemp("doubted")
    events = write_lake(root, telling_events())
    labels = wrong_labels(AS_OF - timedelta(days=1))
    settings = {"as_of": AS_OF, "label_delay": DELAY, "window": 8, "extras": EXTRAS, "shares": Shares(0.6, 0.1)}
    make_snapshot(events, labels, out=root / "snapshot", **settings)
    return root / "snapshot", events, labels


@pytest.fixture(scope="module")
def doubt(made: tuple[Path, Path, pa.Table]) -> Doubt:
    folder, events, labels = made
    return Doubt.of(Snapshot.load(folder), events, labels, seed=0)


def test_users_who_are_called_what_they_are_not_are_found(doubt: Doubt):
    rows = doubt.beliefs.to_pylist()
    wrongly = [row for row in rows if row["user_id"] in WRONGLY_NAMED]
    assert 0.5 * len(wrongly) < doubt.wrong * len(rows) < 3 * len(wrongly)
    doubted = {row["user_id"] for row in rows if (row["belief"] > 0.5) != (row["label"] == 1)}
    assert doubt.contradicted == len(doubted)
    assert len(doubted & WRONGLY_NAMED) > 0.5 * len(wrongly) > 3
    assert len(doubted - WRONGLY_NAMED) < 0.1 * len(rows)


def test_only_users_that_are_learned_from_are_doubted(doubt: Doubt, made: tuple[Path, Path, pa.Table]):
    learned = Snapshot.load(made[0]).slice("train", "validation").user_ids
    assert doubt.beliefs["user_id"].combine_chunks().equals(learned)


def test_what_is_saved_is_what_is_loaded(doubt: Doubt, tmp_path: Path):
    doubt.save(tmp_path)
    assert Doubt.load(tmp_path) == doubt
    with pytest.raises(InputAbsent, match="doubt="):
        Doubt.load(tmp_path / "nowhere")


def test_doubts_of_another_snapshot_are_refused(doubt: Doubt, made: tuple[Path, Path, pa.Table]):
    with pytest.raises(SnapshotReplaced):
        replace(doubt, fingerprint="another").apply(Snapshot.load(made[0]))


def test_a_network_is_trained_on_doubted_labels_and_remembers_items_by_whom_is_believed_anomalous(
    doubt: Doubt, made: tuple[Path, Path, pa.Table], tmp_path: Path
):
    doubt.save(tmp_path / "doubt")
    train(made[0], tmp_path / "bundle", SMALL, seed=0, doubt_folder=tmp_path / "doubt")
    told = json.loads((tmp_path / "bundle" / "training.json").read_text())
    assert told["config"]["wrong_labels"] == doubt.wrong > 0
    assert ItemRecord.load(tmp_path / "bundle").evidence.equals(doubt.record.evidence)
    assert not doubt.record.evidence.equals(Snapshot.load(made[0]).record.evidence)
    assert np.isfinite(told["validation_loss"])
