"""A fold whose labels are doubted: who is contradicted by what others with such trails are called counts for less."""

from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from ml.comparison.doubt import doubt
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.material import Material
from ml.comparison.protocol import Protocol
from ml.comparison.questions import ask
from ml.comparison.slices import TARGET, Slice
from tests.trails import EXTRAS, START, label, label_table, staggered_labels, telling_events, write_lake

WRONGLY_NAMED = {f"u{number:03d}" for number in range(1, 130, 9)}  # of those who pay what others pay
PROTOCOL = Protocol.model_validate(
    {
        "history": {"start": "2024-01-01", "end": "2024-03-01"},
        "split": {"by": "user", "folds": 2},
        "window": 8,
        "prefixes": [3, "all"],
        "models": ["doubting"],
    }
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    lake = write_lake(tmp_path_factory.mktemp("lake"), telling_events())
    began = {row["user_id"]: row["observed_at"] for row in staggered_labels().to_pylist()}
    wrong = [label(user, max(began.values())) for user in sorted(WRONGLY_NAMED)]
    labels = label_table(*staggered_labels().to_pylist(), *wrong)
    history = History("shop", lake, labels, EXTRAS, timedelta(days=10), START + timedelta(days=60))
    return Material(cut_folds(history, PROTOCOL)[0], ask(PROTOCOL), EXTRAS, PROTOCOL.window)


@pytest.fixture(scope="module")
def doubted(material: Material) -> Material:
    return doubt(material, seed=0)


def beliefs(part: Slice) -> dict[str, float]:
    values = part.sequences.events[TARGET].to_numpy()[part.sequences.last_rows]
    return dict(zip(part.users["user_id"].to_pylist(), values.tolist(), strict=True))


def test_every_slice_has_the_same_users_and_targets_between_0_and_1(material: Material, doubted: Material):
    for name in ("training", "validation", "whole"):
        before, after = (getattr(each.fold, name) for each in (material, doubted))
        assert before.users.equals(after.users)
        values = after.sequences.events[TARGET].to_numpy()
        assert len(values) == before.sequences.events.num_rows > 0
        assert ((values > 0) & (values < 1)).all()
    assert doubted.fold.test is material.fold.test


def test_those_wrongly_named_are_believed_less_than_those_rightly_named(doubted: Material):
    found = beliefs(doubted.fold.whole)
    wrongly = [belief for user, belief in found.items() if user in WRONGLY_NAMED]
    rightly = [belief for user, belief in found.items() if int(user[1:]) % 3 == 0]
    assert len(wrongly) > 3
    assert np.mean(wrongly) < 0.5 < 0.7 < np.mean(rightly)


def test_items_are_remembered_for_those_believed_anomalous_alone(material: Material, doubted: Material):
    believed = {user for user, belief in beliefs(doubted.fold.whole).items() if belief > 0.5}
    assert set(material.fold.labels["user_id"].to_pylist()) & WRONGLY_NAMED - believed
    assert set(doubted.fold.labels["user_id"].to_pylist()) == believed
    assert doubted.featurizer.record.evidence.num_rows != material.featurizer.record.evidence.num_rows


def test_a_model_learns_from_what_is_believed(doubted: Material):
    targets = doubted.training.targets
    assert targets.dtype == np.float32
    assert len(np.unique(targets)) > 2
    assert pc.sum(doubted.fold.training.users["label"]).as_py() > 0
