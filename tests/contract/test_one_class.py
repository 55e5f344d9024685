"""Contenders that learn from good users alone: they find what is plainly different, and one seed gives one result."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import roc_auc_score

from ml.comparison.contenders import fit_models
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.judge import judge
from ml.comparison.material import Material
from ml.comparison.protocol import UNSUPERVISED, Model, Protocol
from ml.comparison.questions import ask
from ml.comparison.slices import Slice
from ml.sequences.sequences import Sequences
from tests.trails import EXTRAS, START, in_lake_order, staggered_events, staggered_labels, write_lake
from tests.without_tensorflow import run_without_tensorflow

SPLIT = {"by": "time", "train_before": "2024-02-01", "test_from": "2024-02-01", "test_until": "2024-02-08"}
GIVEN = {
    "history": {"start": "2024-01-01", "end": "2024-03-01"},
    "split": SPLIT,
    "window": 8,
    "prefixes": [5, "all"],
    "learn_from": "good",
    "models": list(UNSUPERVISED),
}
PROTOCOL = Protocol.model_validate(GIVEN)
MODELS = pytest.mark.parametrize("model", UNSUPERVISED)


def obvious(events: pa.Table, users: list[str]) -> pa.Table:
    """These users only ever order, all within seconds, from no device and at absurd prices."""
    theirs = pc.is_in(events["user_id"], value_set=pa.array(users))
    rows = events.filter(theirs).to_pylist()
    begun: dict[str, list] = {}
    for row in rows:
        first = begun.setdefault(row["user_id"], [row["event_time"], 0])
        first[1] += 1
        moved = first[0] + timedelta(seconds=first[1])
        row |= {
            "event_time": moved,
            "event_type": "order",
            "amount": 1e6,
            "device": None,
            "price": -1e6,
            "item_id": "i0",
        }
    return in_lake_order(
        pa.concat_tables([events.filter(pc.invert(theirs)), pa.Table.from_pylist(rows, events.schema)])
    )


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    labels = staggered_labels()
    events = obvious(staggered_events(), labels["user_id"].to_pylist())
    lake = write_lake(tmp_path_factory.mktemp("lake"), events)
    history = History("plain", lake, labels, EXTRAS, timedelta(days=10), START + timedelta(days=60))
    (fold,) = cut_folds(history, PROTOCOL)
    return Material(fold, ask(PROTOCOL), history.extras, PROTOCOL.window)


@cache
def found(material: Material, model: Model, seed: int = 0) -> pa.Table:
    ((_, fitted),) = fit_models(material, [model], seed, refit=True)
    return judge(fitted, material, model=model, seed=seed)


@MODELS
def test_what_is_plainly_different_is_told_from_good_users(material: Material, model: Model):
    rows = found(material, model)
    for view in ("5", "all"):
        seen = rows.filter(pc.equal(rows["prefix"], view))
        assert len(seen) == material.fold.test.counts()["judged"] > 30
        assert roc_auc_score(seen["target"].to_numpy(), seen["logit"].to_numpy()) > 0.9, view
        assert np.all((seen["probability"].to_numpy() >= 0) & (seen["probability"].to_numpy() < 1))


def beside_bad_users(part: Slice, bad: Slice) -> Slice:
    users = pa.concat_tables([part.users, bad.users])
    return Slice(users, Sequences.concat([part.sequences, bad.sequences]))


@MODELS
def test_a_seed_gives_the_same_scores_whether_or_not_others_also_learn_from_bad_users(material: Material, model: Model):
    fold = material.fold
    bad = fold.test.keep(fold.test.labels == 1)
    both = (beside_bad_users(part, bad) for part in (fold.training, fold.validation))
    mixed = replace(fold, **dict(zip(("training", "validation"), both, strict=True)))
    again = found(replace(material, fold=mixed, given=material.featurizer), model)
    np.testing.assert_array_equal(found(material, model)["logit"].to_numpy(), again["logit"].to_numpy())


@MODELS
def test_another_seed_gives_other_scores(material: Material, model: Model):
    first, other = (found(material, model, seed)["logit"].to_numpy() for seed in (0, 1))
    assert np.any(first != other)


JAX = """
import numpy as np
from ml.models.complementary_gan import ComplementaryGan
from ml.models.trail_autoencoder import TrailAutoencoder
from tests.drawn_steps import drawn_steps
steps = drawn_steps(40, 6).steps
autoencoder = TrailAutoencoder(3, (5, 5))
autoencoder.fit(steps, steps, seed=0)
vectors = autoencoder.encode(steps)
gan = ComplementaryGan(vectors.shape[1])
gan.fit(vectors, seed=0)
others = np.random.default_rng(0).uniform(-1, 1, vectors.shape).astype(np.float32)
assert np.median(gan.scores(others)) > np.quantile(gan.scores(vectors), 0.9)
print("learned")
"""


def test_the_complementary_gan_learns_without_tensorflow():
    done = run_without_tensorflow(JAX)
    assert done.stdout == "learned\n", done.stderr
