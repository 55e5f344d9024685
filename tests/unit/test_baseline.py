"""The baseline finds what is planted, the same every time, and sees what it says it sees."""

from pathlib import Path

import numpy as np
import pytest

from ml.models.baseline import Baseline
from ml.models.boosting import Table
from ml.models.columns import baseline_columns, event_columns
from ml.sequences.features import Featurizer, Steps


def planted(users: int, seed: int) -> tuple[Steps, np.ndarray]:
    """Users of 1 to 12 steps; the anomalous ones have a larger first number at their last step."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, users)
    offsets = np.append(0, np.cumsum(rng.integers(1, 13, users)))
    numeric = rng.normal(size=(offsets[-1], 2)).astype(np.float32)
    numeric[offsets[1:] - 1, 0] += 3 * targets
    return Steps(numeric, np.ones((offsets[-1], 1), np.int32), offsets), targets


@pytest.fixture(scope="module")
def featurizer() -> Featurizer:
    names = ["gap", "sessions"]
    return Featurizer({}, 64, {"event_type": ["view"]}, [], dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0), [])


def test_the_baseline_finds_what_is_planted_and_survives_its_files(featurizer: Featurizer, tmp_path: Path):
    def columns(users: int, seed: int) -> Table:
        steps, targets = planted(users, seed)
        return Table(baseline_columns(steps, featurizer), targets)

    training, validation = (
        {"5": columns(600, 0), "all": columns(600, 1)},
        {"5": columns(200, 2), "all": columns(200, 3)},
    )
    baseline = Baseline.fit(training, validation, seed=0)
    given, targets, _ = columns(300, 4)
    scores = baseline.predict("5", given)
    assert scores[targets == 1].mean() > scores[targets == 0].mean() + 0.5
    baseline.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"5.txt", "all.txt", "baseline.json"}
    np.testing.assert_allclose(Baseline.load(tmp_path).predict("5", given), scores)
    again = Baseline.fit(training, validation, seed=0)
    np.testing.assert_array_equal(again.predict("all", given), baseline.predict("all", given))
    refitted = baseline.refit({view: columns(800, 6) for view in training}, seed=0)
    assert refitted.chosen == baseline.chosen
    for view, model in refitted.models.items():
        assert model.num_trees() == baseline.chosen[view]["rounds"]
    assert (refitted.predict("5", given) != scores).all()
    assert refitted.predict("5", given)[targets == 1].mean() > refitted.predict("5", given)[targets == 0].mean() + 0.5


def test_the_baseline_sees_the_last_step_whole_and_ten_first_ones_in_part(featurizer: Featurizer):
    steps, _ = planted(50, 5)
    columns = baseline_columns(steps, featurizer)
    assert columns.shape == (50, 2 + 1 + 10 * (1 + 1))
    np.testing.assert_array_equal(columns[:, :2], steps.numeric[steps.offsets[1:] - 1])
    np.testing.assert_array_equal(columns[:, 3], steps.numeric[steps.offsets[:-1], 0])
    assert np.isnan(columns[steps.lengths == 1][:, 5:]).all()


def test_of_an_event_the_baseline_sees_it_whole_and_the_ten_before_it_in_part(featurizer: Featurizer):
    steps, _ = planted(50, 5)
    rows = np.arange(len(steps.numeric))
    columns = event_columns(steps, rows, featurizer)
    assert columns.shape == (len(rows), 2 + 1 + 10 * (1 + 1))
    np.testing.assert_array_equal(columns[:, :2], steps.numeric)
    first = np.isin(rows, steps.offsets[:-1])
    assert np.isnan(columns[first][:, 3:]).all()
    np.testing.assert_array_equal(columns[~first][:, 3], steps.numeric[rows[~first] - 1, 0])
