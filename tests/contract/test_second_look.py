"""A gang whose members look like anybody, but order the same few items: seen by the company that they keep."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import roc_auc_score

from ml.comparison.contenders import fit_models
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.material import Asked, Material
from ml.comparison.protocol import Model, Protocol
from ml.comparison.questions import EVENT, ask
from ml.sequences.sequences import Sequences
from tests.trails import EXTRAS, START, label, label_table, random_events, write_lake

PROTOCOL = Protocol.model_validate(
    {
        "history": {"start": "2024-01-01", "end": "2024-03-01"},
        "split": {"by": "time", "train_before": "2024-02-05", "test_from": "2024-02-05", "test_until": "2024-02-25"},
        "predict": "events",
        "event_types": ["order"],
        "window": 100,
        "models": ["second_look"],
    }
)
DAY = timedelta(days=1)
LOOKS = [Model.LIGHTGBM, Model.SECOND_LOOK]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    events = random_events(users=120, events=9000)
    rng, numbers = np.random.default_rng(1), np.array([int(user[1:]) for user in events["user_id"].to_pylist()])
    orders = pc.equal(events["event_type"], "order").to_numpy()
    gang = orders & (numbers % 4 == 0)
    items = [f"i{number}" for number in rng.integers(0, 200, len(numbers))]
    turns = pc.divide(pc.days_between(pa.scalar(START), events["event_time"]), 4).to_numpy()
    targets = [f"i{8 * turn + number}" for turn, number in zip(turns, rng.integers(0, 4, len(numbers)), strict=True)]
    prices = rng.normal(size=len(numbers)) + 0.7 * gang  # all that a single order tells
    changed = {"item_id": pc.if_else(pa.array(gang), pa.array(targets), pa.array(items)), "price": pa.array(prices)}
    for name, values in changed.items():
        events = events.set_column(events.column_names.index(name), events.schema.field(name), values)
    named = events.filter(pa.array(gang)).to_pylist()
    labels = label_table(*(label(row["user_id"], row["event_time"] + DAY, event=row["event_id"]) for row in named))
    lake = write_lake(Path(tmp_path_factory.mktemp("lake")), events)
    history = History("gang", lake, labels, EXTRAS, 3 * DAY, START + 60 * DAY)
    (fold,) = cut_folds(history, PROTOCOL)
    return Material(fold, ask(PROTOCOL), EXTRAS, PROTOCOL.window)


@pytest.fixture(scope="module")
def fitted(material: Material) -> dict:
    return {model: trained.last for model, trained in fit_models(material, LOOKS, 0, refit=True)}


def test_it_finds_what_the_baseline_does_not(fitted: dict, material: Material):
    asked = material.test_views[EVENT]
    found = {model: roc_auc_score(asked.targets, one.logits(EVENT, asked)) for model, one in fitted.items()}
    assert found[Model.SECOND_LOOK] > found[Model.LIGHTGBM] + 0.05, found


def test_what_happens_later_changes_no_score(fitted: dict, material: Material):
    asked = material.test_views[EVENT]
    whole = dict(zip(asked.named["event_id"].to_pylist(), fitted[Model.SECOND_LOOK].logits(EVENT, asked), strict=True))
    end = pa.scalar(START + 45 * DAY, asked.trails.events.schema.field("event_time").type)
    earlier = asked.trails.keep(pc.less(asked.trails.events["event_time"], end).to_numpy())
    cut = _ask(material, earlier)
    for event, logit in zip(
        cut.named["event_id"].to_pylist(), fitted[Model.SECOND_LOOK].logits(EVENT, cut), strict=True
    ):
        assert logit == pytest.approx(whole[event], abs=1e-6)
    assert 0 < len(cut.rows) < len(asked.rows)


def _ask(material: Material, trails: Sequences) -> Asked:
    rows = material.question.rows(trails)
    steps = material.featurizer.transform(trails)
    columns = material.question.columns(steps, rows, material.featurizer)
    return Asked(trails, steps, rows, columns, trails.events.take(pa.array(rows)))
