"""A fold in which users without a label are learned from, too: as far as a model takes them for anomalous."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from ml.comparison import contenders
from ml.comparison.belief import Believing
from ml.comparison.contenders import fit_baseline, fit_sequence_model
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.material import Material
from ml.comparison.protocol import Protocol
from ml.comparison.questions import ask
from ml.comparison.slices import TARGET, Slice
from ml.comparison.unlabelled import complete, find_unlabelled
from ml.models.config import Architecture
from tests.trails import EXTRAS, START, staggered_labels, telling_events, write_lake

PROTOCOL = Protocol.model_validate(
    {
        "history": {"start": "2024-01-01", "end": "2024-03-01"},
        "split": {"by": "user", "folds": 2},
        "window": 8,
        "prefixes": [3, "all"],
        "label_share": 0.6,
        "validation": 0.2,
        "models": ["self_trained"],
    }
)
ANOMALOUS = set(staggered_labels()["user_id"].to_pylist())


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    lake = write_lake(tmp_path_factory.mktemp("lake"), telling_events())
    history = History("shop", lake, staggered_labels(), EXTRAS, timedelta(days=10), START + timedelta(days=60))
    return Material(cut_folds(history, PROTOCOL)[0], ask(PROTOCOL), EXTRAS, PROTOCOL.window)


@pytest.fixture(scope="module")
def completed(material: Material) -> Material:
    return complete(material, fit_baseline(material, seed=0).refit(material, seed=0))


def ids(part: Slice) -> set[str]:
    return set(part.users["user_id"].to_pylist())


def targets(part: Slice) -> dict[str, float]:
    values = part.sequences.events[TARGET].to_numpy()[part.sequences.last_rows]
    return dict(zip(part.users["user_id"].to_pylist(), values.tolist(), strict=True))


def test_the_unlabelled_are_those_seen_but_neither_told_nor_judged(material):
    others = ids(find_unlabelled(material.fold))
    assert len(others) > 20
    assert not others & (ids(material.fold.whole) | ids(material.fold.test))


def test_labelled_users_stay_as_they_are_called_and_others_are_what_the_teacher_thinks(material, completed):
    others, found = ids(find_unlabelled(material.fold)), targets(completed.fold.whole)
    called = targets(material.fold.whole)
    assert found.keys() == called.keys() | others
    assert {user: found[user] for user in called} == called
    thought = {user: found[user] for user in others}
    assert all(0 < belief < 1 for belief in thought.values())
    right = np.mean([belief for user, belief in thought.items() if user in ANOMALOUS])
    wrong = np.mean([belief for user, belief in thought.items() if user not in ANOMALOUS])
    assert right > wrong + 0.2


def test_the_unlabelled_are_learned_from_but_choose_nothing(material, completed):
    others = ids(find_unlabelled(material.fold))
    assert others < ids(completed.fold.training)
    assert ids(completed.fold.validation) == ids(material.fold.validation)
    assert completed.fold.test is material.fold.test
    for part in (completed.fold.training, completed.fold.whole):
        assert part.sequences.user_ids.to_pylist() == sorted(ids(part))
        assert part.sequences.events.num_rows == len(part.sequences.row_users)


def test_items_are_remembered_for_whom_the_teacher_thinks_anomalous(material, completed):
    found = targets(completed.fold.whole)
    believed = {user for user, belief in found.items() if belief > 0.5}
    assert set(completed.fold.labels["user_id"].to_pylist()) == believed
    assert completed.fold.record.evidence.num_rows > material.fold.record.evidence.num_rows > 0
    assert completed.featurizer.record is completed.fold.record


def test_nobody_meets_the_label_that_they_were_given_themselves(completed):
    given = completed.fold.labels.filter(pc.equal(completed.fold.labels["source"], "believed")).to_pylist()
    assert len(given) > 3
    whole = completed.fold.whole.sequences
    times = whole.events["event_time"].take(whole.last_rows).to_pylist()
    newest = dict(zip(whole.user_ids.to_pylist(), times, strict=True))
    assert all(row["observed_at"] == newest[row["user_id"]] + timedelta(seconds=1) for row in given)


def test_what_learns_from_beliefs_judges_by_its_own_features(material, completed, monkeypatch):
    quick = replace(contenders.DEFAULTS[Architecture.FUSION], width=8, epochs=1)
    monkeypatch.setitem(contenders.DEFAULTS, Architecture.FUSION, quick)
    model = Believing(fit_sequence_model(Architecture.FUSION, completed, seed=0), completed)
    given, own = material.test_views["all"], completed.test_views["all"]
    assert not np.array_equal(given.columns, own.columns)
    np.testing.assert_array_equal(model.logits("all", given), model.model.logits("all", own))
    again = model.refit(material, seed=0)
    assert again.believed is completed
    assert np.isfinite(again.logits("all", given)).all()
