"""From predictions to figures, and from figures to what may be said."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from ml.comparison.conclusions import KindFound, Taken, conclude
from ml.comparison.estimates import Figures, measure
from ml.comparison.judge import PREDICTIONS, best_threshold
from ml.evaluation.metrics import Estimate
from ml.models.blend import stack, weigh

LABELS = (np.random.default_rng(7).random(600) < 0.4).astype(np.int8)


def scores(strength: float, seed: int, labels: np.ndarray = LABELS) -> np.ndarray:
    return np.random.default_rng(seed).normal(labels * strength, 1)


def predictions(models: dict[str, list[np.ndarray]], labels: np.ndarray = LABELS, fold: str = "time") -> pa.Table:
    """model -> logits of each seed."""
    tables = []
    for model, seeds in models.items():
        for seed, logits in enumerate(seeds):
            rows = len(labels)
            probability = 1 / (1 + np.exp(-logits))
            columns = {
                "fold": [fold] * rows,
                "model": [model] * rows,
                "seed": [seed] * rows,
                "prefix": ["3"] * rows,
                "user_id": [f"u{user:04d}" for user in range(rows)],
                "event_id": ["e"] * rows,
                "kind": pa.nulls(rows, pa.string()),
                "day": np.arange(rows, dtype=np.int32) // 100,
                "target": labels,
                "logit": logits,
                "probability": probability,
                "flagged": probability >= 0.5,
            }
            tables.append(pa.table(columns, schema=PREDICTIONS))
    return pa.concat_tables(tables)


def figures(models: dict[str, list[np.ndarray]], labels: np.ndarray = LABELS) -> Figures:
    return measure(predictions(models, labels), "3", budget=10, seed=0)


def test_a_figure_is_the_mean_over_seeds():
    seeds = [scores(1.0, seed) for seed in range(3)]
    found = figures({"lightgbm": seeds})
    assert found.estimate("lightgbm", "roc_auc").value == pytest.approx(
        np.mean([roc_auc_score(LABELS, one) for one in seeds])
    )
    assert found.estimate("lightgbm", "average_precision").value == pytest.approx(
        np.mean([average_precision_score(LABELS, one) for one in seeds])
    )
    told = list(found.scores())
    assert {row["metric"] for row in told} == {
        *("roc_auc", "average_precision", "recall_at_1pct_fpr", "recall_at_0.1pct_fpr"),
        *("f1", "precision_at_budget", "expected_calibration_error"),
    }
    assert all(row["low"] <= row["mean"] <= row["high"] for row in told if row["metric"] == "roc_auc")


def test_f1_is_that_of_what_was_flagged():
    logits = scores(1.0, 1)
    found = figures({"isolation_forest": [logits]})
    assert found.estimate("isolation_forest", "f1").value == pytest.approx(f1_score(LABELS, logits >= 0))
    assert found.estimate("isolation_forest", "f1").low < found.estimate("isolation_forest", "f1").high
    assert found.baseline == "isolation_forest"


def test_folds_count_alike_whatever_their_size():
    small = LABELS[:100]
    both = pa.concat_tables(
        [
            predictions({"lightgbm": [scores(1.0, 1)]}, fold="a"),
            predictions({"lightgbm": [scores(1.0, 2, small)]}, small, fold="b"),
        ]
    )
    found = measure(both, "3", budget=10, seed=0).estimate("lightgbm", "roc_auc").value
    areas = [roc_auc_score(LABELS, scores(1.0, 1)), roc_auc_score(small, scores(1.0, 2, small))]
    assert found == pytest.approx(np.mean(areas))


def test_differences_are_paired():
    logits = scores(1.0, 1)
    found = figures({"lightgbm": [logits], "gru": [logits * 3]}).difference("gru", "lightgbm", "average_precision")
    assert (found.low, found.value, found.high) == (0, 0, 0)


def counts(labels: np.ndarray) -> dict[str, int]:
    return {"judged": len(labels), "anomalous": int(labels.sum())}


def test_a_model_wins_only_where_it_is_shown_to_find_more():
    better = figures({"lightgbm": [scores(1.0, 1)], "gru": [scores(2.5, 1)]})
    said = conclude([better], [], controlled=None, test=counts(LABELS))
    assert said.winner == "gru"
    assert said.lines[0].startswith("gru wins")
    alike = figures({"lightgbm": [scores(1.0, 1)], "gru": [scores(1.0, 1) + 0.01 * scores(0.0, 3)]})
    said = conclude([alike], [], controlled=None, test=counts(LABELS))
    assert said.winner == "lightgbm"
    assert "none of gru is shown to find more" in said.lines[0]


def test_too_few_users_conclude_nothing():
    few = LABELS[:60]
    small = figures({"lightgbm": [scores(1.0, 1, few)], "gru": [scores(9.0, 1, few)]}, few)
    said = conclude([small], [], controlled=None, test=counts(few))
    assert said.winner is None
    assert said.lines[0].startswith("Too small to conclude: 60 were judged")


def test_a_control_that_does_as_well_stands_in_the_first_line_and_one_that_does_not_does_not():
    found = figures({"lightgbm": [scores(1.0, 1)]})
    as_good = Taken("length only", "3", Estimate(0.75, 0.7, 0.8), Estimate(0.001, -0.01, 0.01))
    worse = Taken("time removed", "3", Estimate(0.65, 0.6, 0.7), Estimate(0.1, 0.05, 0.15))
    said = conclude([found], [worse, as_good], controlled="gru", test=counts(LABELS))
    assert said.lines[0].startswith("A control does as well as gru at 3: length only")
    assert "time removed" not in " ".join(said.lines)


def test_of_a_kind_that_training_never_saw_it_is_said_how_much_is_found_beside_the_others():
    found = figures({"lightgbm": [scores(1.0, 1)]})
    kinds = [
        KindFound("lightgbm", "3", "bot", 30, 0.9),
        KindFound("lightgbm", "3", "fraud", 10, 0.5),
        KindFound("lightgbm", "3", "burst", 20, 0.25),
        KindFound("gru", "3", "burst", 20, 1.0),
    ]
    said = conclude([found], [], controlled=None, test=counts(LABELS), kinds=kinds, unseen=["burst", "spam"])
    assert said.lines[-2].startswith("burst, which training never saw: at 3, lightgbm flags 25% of it, and 80% of")
    assert said.lines[-1].startswith("spam, which training never saw, was not judged either")


def test_a_blend_gives_a_useless_member_no_weight_and_takes_none_from_a_useful_one():
    useful, useless = scores(2.0, 1), scores(0.0, 2)
    weights = weigh(stack([useful, useless]), LABELS)
    assert weights[0] > 1
    assert 0 <= weights[1] < 0.2
    doubled = weigh(stack([useful, -useful]), LABELS)
    assert doubled[1] == 0


def test_a_blend_of_two_views_of_the_truth_beats_both():
    one, other = scores(1.5, 1), scores(1.5, 2)
    both = stack([one, other]) @ weigh(stack([one, other]), LABELS)
    assert roc_auc_score(LABELS, both) > max(roc_auc_score(LABELS, one), roc_auc_score(LABELS, other)) + 0.02


def test_the_threshold_is_the_one_of_the_highest_f1():
    probability, targets = np.array([0.1, 0.4, 0.5, 0.9]), np.array([0, 1, 0, 1])
    assert best_threshold(probability, targets) == 0.4
