"""Few labels, wrong labels: what training is told, while the judged users' labels stay true."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.protocol import Protocol
from ml.comparison.told import tell
from tests.trails import EXTRAS, START, label, label_table, staggered_events, staggered_labels, write_lake

FACTS = {
    "history": {"start": "2024-01-01", "end": "2024-03-01"},
    "split": {"by": "time", "train_before": "2024-02-05", "test_from": "2024-02-05", "test_until": "2024-02-10"},
    "users": "labelled",
    "window": 8,
    "validation": 0.3,
}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Every user is labelled, a third of them anomalous."""
    events = write_lake(tmp_path_factory.mktemp("lake"), staggered_events())
    begun = (START + timedelta(hours=24 / 5 * user) for user in range(200))
    good = [label(f"u{user:03d}", when + timedelta(days=9), value=0) for user, when in enumerate(begun) if user % 3]
    labels = pa.concat_tables([staggered_labels(), label_table(*good)])
    return History("told", events, labels, EXTRAS, timedelta(days=10), START + timedelta(days=60))


def told(history: History, seed: int = 0, **facts: object) -> pa.Table:
    return tell(history, Protocol.model_validate(FACTS | facts), seed).labels


def values(labels: pa.Table) -> dict[str, int]:
    return dict(zip(labels["user_id"].to_pylist(), labels["label"].to_pylist(), strict=True))


def test_all_labels_are_told_as_they_are_unless_the_protocol_says_otherwise(history):
    assert told(history) is history.labels


def test_a_share_of_the_users_is_told_and_another_one_by_another_seed(history):
    some, others = values(told(history, label_share=0.4)), values(told(history, seed=1, label_share=0.4))
    assert 60 < len(some) < 100
    assert some.items() <= values(history.labels).items()
    assert set(some) != set(others)
    assert some == values(told(history, label_share=0.4))


def test_flipped_labels_are_turned_round_both_ways_and_their_kind_with_them(history):
    true, found = values(history.labels), values(told(history, flipped_labels=0.2))
    turned = [user for user in true if true[user] != found[user]]
    assert 25 < len(turned) < 55
    assert {true[user] for user in turned} == {0, 1}
    for row in told(history, flipped_labels=0.2).to_pylist():
        if row["user_id"] in turned:
            assert row["kind"] == ("flipped" if row["label"] else "none")


def test_the_judged_users_labels_stay_true_and_training_has_the_wrong_ones(history):
    true = values(history.labels)
    (fold,) = cut_folds(history, Protocol.model_validate(FACTS | {"flipped_labels": 0.3}), 0)

    def wrong(name: str) -> float:
        users = getattr(fold, name).users
        given = zip(users["user_id"].to_pylist(), users["label"].to_pylist(), strict=True)
        return np.mean([true[user] != label for user, label in given])

    assert wrong("test") == 0
    assert wrong("training") > 0.15
    assert fold.test.labels.sum() > 0


def test_where_no_label_means_good_training_is_told_that_of_a_share_as_well(history):
    bad = replace(history, labels=staggered_labels())
    facts = {name: fact for name, fact in FACTS.items() if name != "users"} | {"split": {"by": "user"}}
    fold, *_ = cut_folds(bad, Protocol.model_validate(facts | {"label_share": 0.5}), 0)
    whole, *_ = cut_folds(bad, Protocol.model_validate(facts), 0)
    some, everybody = (set(each.whole.users["user_id"].to_pylist()) for each in (fold, whole))
    assert some < everybody
    assert 0.4 * len(everybody) < len(some) < 0.6 * len(everybody)
    assert fold.test.users.equals(whole.test.users)


def test_the_items_record_rests_on_the_labels_that_were_told(history):
    facts = FACTS | {"split": {"by": "user"}}
    fold, *_ = cut_folds(history, Protocol.model_validate(facts | {"label_share": 0.5}), 0)
    whole, *_ = cut_folds(history, Protocol.model_validate(facts), 0)
    assert 0 < fold.record.evidence.num_rows < 0.8 * whole.record.evidence.num_rows


def test_pre_training_sees_everybodys_trails_up_to_the_moment_and_no_others(history):
    (fold,) = cut_folds(history, Protocol.model_validate(FACTS | {"label_share": 0.8, "models": ["pretrained"]}), 0)
    assert pc.max(fold.trails.events["event_time"]).as_py() < fold.as_of
    assert len(fold.trails) > len(fold.training.labels) + len(fold.validation.labels) + 20
    folds = cut_folds(history, Protocol.model_validate(FACTS | {"split": {"by": "user"}, "models": ["lora"]}), 0)
    for fold in folds:
        assert not set(fold.trails.user_ids.to_pylist()) & set(fold.test.users["user_id"].to_pylist())


@pytest.mark.parametrize(
    "facts",
    [{"users": "matured", "flipped_labels": 0.1}, {"predict": "events", "label_share": 0.5}, {"controls": "lora"}],
)
def test_what_cannot_be_told_is_refused(facts: dict):
    with pytest.raises(ValidationError, match=r"labelled|not for events|control can be"):
        Protocol.model_validate(FACTS | facts)
