"""What the registered model takes, as MLflow sees it: event rows with times without a zone, which are UTC."""

import pandas as pd
import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ml.contracts.events import TIME
from ml.sequences.sequences import Sequences

NOT_INPUT = ("target", "remaining")  # what only training knows
REQUIRED = ("event_id", "user_id", "event_time", "event_type")
# whole numbers travel as doubles: pandas has no missing whole number
_TYPES = {"string": "string", "double": "double", "int64": "double", "bool": "boolean", "timestamp": "datetime"}
ANSWER = Schema(
    [
        ColSpec("string", "user_id"),
        ColSpec("string", "evidence"),
        ColSpec("float", "logit", required=False),
        ColSpec("double", "score", required=False),
    ]
)


def to_model_input(sequences: Sequences) -> pd.DataFrame:
    """The sequences' events as the model takes them."""
    events = sequences.events.drop_columns([name for name in NOT_INPUT if name in sequences.events.column_names])
    frame = events.to_pandas()
    for name in frame.columns[[pa.types.is_integer(field.type) for field in events.schema]]:
        frame[name] = frame[name].astype("float64")
    for name in frame.columns[[pa.types.is_timestamp(field.type) for field in events.schema]]:
        frame[name] = frame[name].dt.tz_localize(None)
    return frame


def to_example(sequences: Sequences) -> pd.DataFrame:
    """The same, users and events renamed: an example stays with a version for good, and outlives a user's erasure."""
    frame = to_model_input(sequences)
    events = [f"event-{event + 1:06}" for event in range(len(frame))]
    return frame.assign(user_id=[f"example-{user + 1}" for user in sequences.row_users], event_id=events)


def from_model_input(frame: pd.DataFrame) -> Sequences:
    """Rows in any order, any number of events for each user."""
    ordered = frame.sort_values(["user_id", "event_time", "event_id"], ignore_index=True)
    events = pa.Table.from_pandas(ordered, preserve_index=False)
    times = [pa.field(f.name, TIME) if pa.types.is_timestamp(f.type) else f for f in events.schema]
    return Sequences.of(events.cast(pa.schema(times)))


def signature_of(sequences: Sequences) -> ModelSignature:
    """Columns and types of the input; any number of rows."""
    columns = [field for field in sequences.events.schema if field.name not in NOT_INPUT]
    specs = [ColSpec(_spec_type(field.type), field.name, required=field.name in REQUIRED) for field in columns]
    return ModelSignature(Schema(specs), ANSWER)


def _spec_type(kind: pa.DataType) -> DataType:
    return DataType[_TYPES["timestamp" if pa.types.is_timestamp(kind) else str(kind)]]
