"""The registered model takes whole trails in any order and of any length, missing values included."""

from datetime import UTC, datetime, timedelta

import mlflow
import pyarrow as pa
import pytest

from ml.contracts.events import TIME
from ml.registry.model_input import from_model_input, signature_of, to_example, to_model_input
from ml.sequences.sequences import Sequences

START = datetime(2014, 3, 1, tzinfo=UTC)


@pytest.fixture
def trails() -> Sequences:
    rows = [
        {
            "event_id": f"e{index}",
            "user_id": user,
            "event_time": START + timedelta(hours=index),
            "event_type": "view",
            "item_id": None if index == 1 else "i1",
            "item_visit": None if index == 1 else index,
            "same_item": index == 2,
            "amount": None,
            "target": 1,
        }
        for index, user in enumerate(["a", "a", "a", "b"])
    ]
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("event_id", "user_id")),
            ("event_time", TIME),
            *((name, pa.string()) for name in ("event_type", "item_id")),
            ("item_visit", pa.int64()),
            ("same_item", pa.bool_()),
            ("amount", pa.float64()),
            ("target", pa.int8()),
        ]
    )
    return Sequences.of(pa.Table.from_pylist(rows, schema=schema))


def test_rows_in_any_order_become_the_same_trails(trails):
    shuffled = to_model_input(trails).sample(frac=1, random_state=1)
    found = from_model_input(shuffled)
    assert found.user_ids.to_pylist() == ["a", "b"]
    assert found.offsets.tolist() == [0, 3, 4]
    assert found.events["event_id"].to_pylist() == ["e0", "e1", "e2", "e3"]
    assert found.events.schema.field("event_time").type == TIME
    assert found.events["item_visit"].to_pylist() == [0.0, None, 2.0, 3.0]


def test_the_signature_accepts_any_number_of_rows_and_never_asks_for_the_label(trails):
    signature, rows = signature_of(trails), to_model_input(trails)
    assert "target" not in signature.inputs.input_names()
    for length in (1, 4):
        mlflow.models.utils._enforce_schema(rows.head(length), signature.inputs)


def test_an_example_keeps_the_trails_apart_and_names_nobody(trails):
    found = from_model_input(to_example(trails))
    assert found.user_ids.to_pylist() == ["example-1", "example-2"]
    assert found.offsets.tolist() == [0, 3, 4]
