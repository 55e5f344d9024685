"""What a suggested label is worth: 200 users have one, then 100 more, suggested, drawn at random, or the least certain.

Average precision of LightGBM on users first seen later, each judged by all they did. The data set is the deployment's
(TRAILGUARD_DATASET), by default the simulated marketplace, where few are anomalous; a seed draws the first 200 users.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.metrics import average_precision_score

from ml.comparison.folds import cut_folds
from ml.comparison.history import read_history
from ml.comparison.material import Asked, Material
from ml.comparison.questions import ask
from ml.datasets.descriptor import Descriptor
from ml.evaluation.views import ALL
from ml.models.baseline import FIXED
from ml.reviews.choose import choose_users, find_unsure
from ml.scoring.evidence import inputs
from tests.bench.dataset import find_protocol, open_dataset
from tests.bench.rows import Row, compare

KNOWN, ASKED, ROUNDS = 200, 100, 100
SMALL = {"num_leaves": 7, "min_child_samples": 10, "learning_rate": 0.05}  # for few hundred users
RIVALS = ("random", "least_certain")


def measure(*, quick: bool) -> list[Row]:
    seeds = 5 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        descriptor = open_dataset(Path(folder))
        pool, later = read_users(descriptor, Path(folder) / "lake")
    figures = [score_choices(pool, later, seed) for seed in range(seeds)]

    def column(choice: str) -> Iterator[float]:
        return (found[choice] for found in figures)

    return [
        compare(
            f"reviews_{descriptor.name.replace('-', '_')}_suggested_vs_{rival}",
            column("suggested").__next__,
            column(rival).__next__,
            unit="average precision",
            repetitions=seeds,
        )
        for rival in ("nobody", *RIVALS)
    ]


def read_users(descriptor: Descriptor, lake: Path) -> tuple[Asked, Asked]:
    """Those whose labels may be asked for, and those first seen later; no label has left a trace in what is known of
    either."""
    protocol = find_protocol(descriptor).model_copy(update={"prefixes": (ALL,)})
    history = read_history(descriptor, protocol, lake)
    (fold,) = cut_folds(history, protocol)
    fold = replace(fold, training=fold.whole, labels=fold.labels.slice(0, 0))
    material = Material(fold, ask(protocol), history.extras, protocol.window)
    return material.training_views[ALL], material.test_views[ALL]


def score_choices(pool: Asked, later: Asked, seed: int) -> dict[str, float]:
    """Which users were asked about -> average precision on the later ones."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pool.targets))
    known, others = order[:KNOWN], order[KNOWN:]
    probability = _fit(pool, known, seed).predict(pool.columns[others])
    given = inputs(pool.steps, pool.rows)[others]
    choices = {
        "nobody": np.array([], np.int64),
        "random": rng.permutation(len(others))[:ASKED],
        "least_certain": find_unsure(probability, ASKED),
        "suggested": choose_users(given, probability, ASKED, seed=seed),
    }
    return {name: _judge(pool, np.append(known, others[chosen]), later, seed) for name, chosen in choices.items()}


def _judge(pool: Asked, users: np.ndarray, later: Asked, seed: int) -> float:
    scores = _fit(pool, users, seed).predict(later.columns)
    return float(average_precision_score(later.targets, scores))


def _fit(pool: Asked, users: np.ndarray, seed: int) -> lightgbm.Booster:
    data = lightgbm.Dataset(pool.columns[users], pool.targets[users], params={"verbose": -1})
    return lightgbm.train({**FIXED, **SMALL, "seed": seed}, data, ROUNDS)
