"""A fold whose labels are doubted: who is contradicted by what others with such trails are called is not believed."""

from datetime import timedelta

import numpy as np
import pytest

from ml.comparison.doubt import doubt
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.material import Material
from ml.comparison.protocol import Protocol
from ml.comparison.questions import ask
from tests.trails import EXTRAS, START, WRONGLY_NAMED, staggered_labels, telling_events, write_lake, wrong_labels

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
    labels = wrong_labels(max(staggered_labels()["observed_at"].to_pylist()))
    history = History("shop", lake, labels, EXTRAS, timedelta(days=10), START + timedelta(days=60))
    return Material(cut_folds(history, PROTOCOL)[0], ask(PROTOCOL), EXTRAS, PROTOCOL.window)


@pytest.fixture(scope="module")
def doubted(material: Material) -> tuple[Material, float]:
    return doubt(material, seed=0)


def named(part: Material) -> set[str]:
    return set(part.fold.labels["user_id"].to_pylist())


def test_the_share_of_wrong_labels_is_found(material: Material, doubted: tuple[Material, float]):
    told = material.fold.whole.users
    wrong = np.mean([user in WRONGLY_NAMED for user in told["user_id"].to_pylist()])
    assert 0.03 < wrong < 0.2
    assert 0.5 * wrong < doubted[1] < 3 * wrong


def test_users_and_targets_stay_as_they_are_called(material: Material, doubted: tuple[Material, float]):
    for name in ("training", "validation", "whole", "test"):
        assert getattr(doubted[0].fold, name) is getattr(material.fold, name)


def test_items_are_remembered_for_those_rightly_named_rather_than_for_others(
    material: Material, doubted: tuple[Material, float]
):
    dropped = named(material) - named(doubted[0])
    assert len(dropped & WRONGLY_NAMED) > 0.5 * len(named(material) & WRONGLY_NAMED) > 1
    assert len(dropped - WRONGLY_NAMED) < 0.1 * len(named(material) - WRONGLY_NAMED)
    assert doubted[0].featurizer.record.evidence.num_rows < material.featurizer.record.evidence.num_rows
