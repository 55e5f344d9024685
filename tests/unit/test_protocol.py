"""A protocol is read strictly: what is wrong is named with file, line and column."""

from pathlib import Path

import pytest

from ml.comparison.protocol import (
    SHIPPED,
    UNSUPERVISED,
    Model,
    PrequentialSplit,
    ProtocolInvalid,
    TimeSplit,
    UserSplit,
    load_protocol,
)

HISTORY = "history: {start: 2024-01-01, end: 2024-03-01}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "protocol.yaml"
    path.write_text(text)
    return path


def test_every_shipped_protocol_is_valid():
    shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    assert "wikipedia-edits" in shipped
    assert {type(load_protocol(name).split) for name in shipped} <= {TimeSplit, UserSplit, PrequentialSplit}


def test_what_is_left_out_has_a_default(tmp_path: Path):
    found = load_protocol(write(tmp_path, HISTORY + "split: {by: user}\n"))
    assert found.split == UserSplit(by="user", folds=5)
    assert found.prefixes == (3, 5, 10, "all")
    assert found.models == (Model.LIGHTGBM, Model.FUSION)


def test_where_no_bad_label_is_known_other_models_are_compared_by_default_and_to_another_baseline(tmp_path: Path):
    found = load_protocol(write(tmp_path, HISTORY + "split: {by: user}\nlearn_from: good\n"))
    assert found.models == (Model.ISOLATION_FOREST, Model.ONE_CLASS)
    assert found.baseline is Model.ISOLATION_FOREST
    assert load_protocol("wikipedia-edits").baseline is Model.LIGHTGBM


def test_unsupervised_models_may_be_compared_where_labels_are_known(tmp_path: Path):
    text = HISTORY + "split: {by: user}\nmodels: [isolation_forest, one_class, complementary_gan, gru]\n"
    assert set(UNSUPERVISED) < set(load_protocol(write(tmp_path, text)).models)


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (HISTORY + "split: {by: luck}\n", "2:8", "does not match any of the expected tags"),
        (HISTORY + "split: {by: user, folds: 1}\n", "2:26", "greater than or equal to 2"),
        (HISTORY + "split: {by: user}\nmodels: [gru, oracle]\n", "3:15", "Input should be 'lightgbm'"),
        (HISTORY + "split: {by: user}\nseed: 3\n", "3:1", "unknown key"),
        ("history: {start: 2024-03-01, end: 2024-03-01}\nsplit: {by: user}\n", "1:10", "ends after it starts"),
        (
            HISTORY + "split: {by: time, train_before: 2024-02-02, test_from: 2024-02-01, test_until: 2024-02-03}\n",
            "2:8",
            "must follow each other",
        ),
        (
            HISTORY + "split: {by: user}\nmodels: [lightgbm, one_class, gru]\nlearn_from: good\n",
            "3:9",
            "lightgbm, gru cannot learn from good users alone",
        ),
        (HISTORY + "split: {by: user}\nlearn_from: good\ncontrols: fusion\n", "4:11", "fusion cannot learn from good"),
        (HISTORY + "split: {by: user}\nmodels: [second_look]\n", "1:1", "for events, not for users"),
        (HISTORY + "split: {by: user}\nlearn_from: bad\n", "3:13", "'all' or 'good'"),
        (HISTORY + "split: {by: user}\npredict: events\nlearn_from: good\n", "1:1", "for users, not for events"),
        (HISTORY + "split: {by: user}\npredict: events\nbalanced_test: true\n", "1:1", "for users, not for events"),
    ],
)
def test_a_wrong_protocol_is_refused_at_its_place(tmp_path: Path, text: str, where: str, problem: str):
    path = write(tmp_path, text)
    with pytest.raises(ProtocolInvalid, match=problem) as refusal:
        load_protocol(path)
    assert refusal.value.where == f"{path}:{where}"
