"""Who is learned from and who is judged: nobody twice, nothing from the future."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.comparison.fold import Fold
from ml.comparison.folds import TooFewJudged, cut_folds
from ml.comparison.history import History
from ml.comparison.protocol import Protocol
from tests.trails import EXTRAS, START, label, label_table, staggered_events, staggered_labels, write_lake

DAYS = {"start": "2024-01-01", "end": "2024-03-01"}
END = START + timedelta(days=60)
DELAY = timedelta(days=10)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    events = write_lake(tmp_path_factory.mktemp("lake"), staggered_events())
    return History("staggered", events, staggered_labels(), EXTRAS, DELAY, END)


def cut(history: History, **facts: object) -> list[Fold]:
    return cut_folds(history, Protocol.model_validate({"history": DAYS, "window": 8, **facts}))


def users(fold: Fold) -> list[set[str]]:
    return [set(part.users["user_id"].to_pylist()) for part in (fold.training, fold.validation, fold.test)]


def test_by_time_later_users_are_judged_by_what_was_known_before_they_came(history):
    split = {"by": "time", "train_before": "2024-02-01", "test_from": "2024-02-01", "test_until": "2024-02-08"}
    (fold,) = cut(history, split=split)
    training, validation, test = fold.training, fold.validation, fold.test
    assert fold.as_of == START + timedelta(days=31)
    assert training.began.max() <= validation.began.min()
    moment = pa.scalar(fold.as_of).cast(pa.int64()).as_py()
    assert validation.began.max() < moment - DELAY / timedelta(microseconds=1)
    assert test.began.min() >= moment
    assert pc.max(training.users["observed_at"]).as_py() < fold.as_of
    assert pc.max(fold.record.evidence["known_at"]).as_py() < fold.as_of
    assert fold.counts()["test"] == {"judged": 38, "anomalous": 13}


def test_by_user_everybody_is_judged_once_and_never_learned_from_there(history):
    folds = cut(history, split={"by": "user", "folds": 4})
    judged = []
    for fold in folds:
        training, validation, test = users(fold)
        assert not training & validation
        assert not test & (training | validation)
        assert abs(fold.test.labels.mean() - 1 / 3) < 0.05
        judged += test
    assert len(judged) == len(set(judged)) == 200


def test_by_user_the_items_record_holds_nothing_that_only_judged_users_labels_say(history):
    for fold in cut(history, split={"by": "user", "folds": 4}):
        learned = pa.array(sorted(users(fold)[0] | users(fold)[1]))
        known = history.labels.filter(pc.is_in(history.labels["user_id"], value_set=learned))
        assert fold.record.evidence.num_rows > 0
        moments = set(known["observed_at"].to_pylist())
        assert set(fold.record.evidence["known_at"].to_pylist()) <= moments


def test_prequential_folds_follow_each_other_and_leave_the_delay_between(history):
    split = {"by": "prequential", "train_days": 20, "delay_days": 10, "test_days": 5, "folds": 2}
    end = START + timedelta(days=48)
    first, second = cut(replace(history, end=end), split=split)
    assert [fold.as_of for fold in (first, second)] == [end - DELAY - timedelta(days=days) for days in (10, 5)]
    micro = timedelta(microseconds=1)
    for fold in (first, second):
        begin = int(fold.as_of.timestamp()) * 1_000_000
        assert begin - timedelta(days=30) / micro <= fold.training.began.min()
        assert fold.validation.began.max() < begin - timedelta(days=10) / micro
        assert begin <= fold.test.began.min()
        assert fold.test.began.max() < begin + timedelta(days=5) / micro


def test_only_labelled_users_take_part_where_the_protocol_says_so(history):
    reviewed = label_table(*(label(f"u{user:03d}", START + timedelta(days=55), value=0) for user in range(1, 200, 3)))
    judged = replace(history, labels=pa.concat_tables([history.labels, reviewed]))
    everybody = np.concatenate([fold.test.labels for fold in cut(judged, split={"by": "user"})])
    labelled = np.concatenate([fold.test.labels for fold in cut(judged, split={"by": "user"}, users="labelled")])
    assert (len(everybody), len(labelled)) == (200, 134)
    assert everybody.sum() == labelled.sum() == 67


SPLITS = [
    {"by": "user", "folds": 2},
    {"by": "time", "train_before": "2024-02-01", "test_from": "2024-02-01", "test_until": "2024-02-08"},
    {"by": "prequential", "train_days": 30, "delay_days": 0, "test_days": 10, "folds": 1},
]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split["by"])
def test_from_good_users_alone_nothing_of_a_bad_label_is_learned_and_everybody_is_judged(history, split):
    history = replace(history, end=START + timedelta(days=50))
    for whole, good in zip(cut(history, split=split), cut(history, split=split, learn_from="good"), strict=True):
        assert not whole.only_good
        assert good.only_good
        assert good.record.evidence.num_rows == 0 < whole.record.evidence.num_rows
        for part, everybody in ((good.training, whole.training), (good.validation, whole.validation)):
            assert part.counts()["judged"] > 0 == part.counts()["anomalous"]
            assert set(part.sequences.events["target"].to_pylist()) == {0}
            assert part.users.num_rows < everybody.users.num_rows
        assert good.test.counts() == whole.test.counts()
        learned, held = good.training.counts()["judged"], good.validation.counts()["judged"]
        assert held / (learned + held) == pytest.approx(0.1, abs=0.02)


def test_a_balanced_test_has_as_many_good_as_anomalous_users_the_same_each_time(history):
    (whole,), (fold,), (again,) = (
        cut(history, split=SPLITS[1], balanced_test=balanced) for balanced in (False, True, True)
    )
    assert fold.test.counts() == {"judged": 26, "anomalous": 13}
    assert users(fold)[2] == users(again)[2] < users(whole)[2]
    assert users(fold)[:2] == users(whole)[:2]
    assert set(fold.test.sequences.user_ids.to_pylist()) == users(fold)[2]


def test_a_test_without_anomalous_users_is_refused_where_good_ones_alone_are_learned_from(history):
    few = replace(history, labels=history.labels.slice(0, 3))
    with pytest.raises(TooFewJudged, match="slice=test"):
        cut(few, split=SPLITS[1], learn_from="good")


def test_a_slice_without_anomalous_users_is_refused_with_its_counts(history):
    few = replace(history, labels=history.labels.slice(0, 3))
    with pytest.raises(TooFewJudged, match=r"slice=test judged=39 anomalous=0"):
        cut(few, split={"by": "user"})
