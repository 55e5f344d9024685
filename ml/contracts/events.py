"""The event contract: what a shop's raw files are mapped to, one row for each thing a user did."""

from enum import StrEnum

import pyarrow as pa

VERSION = 1
TIME = pa.timestamp("us", tz="UTC")


class Kind(StrEnum):
    """How an extra column, declared in the dataset descriptor, reaches the model."""

    CATEGORICAL = "categorical"
    NUMERIC = "numeric"
    TEXT = "text"


EXTRA_TYPES = {Kind.CATEGORICAL: pa.string(), Kind.NUMERIC: pa.float64(), Kind.TEXT: pa.string()}

EVENT_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),  # unique within the UTC day of event_time
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("event_time", TIME, nullable=False),  # when it happened
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("item_id", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("amount", pa.float64()),  # in the shop's currency
        pa.field("channel", pa.string()),  # web, app, ad, ...
    ]
)
REQUIRED_EVENT_COLUMNS = ("user_id", "event_time", "event_type")


def event_schema(extras: dict[str, Kind]) -> pa.Schema:
    """The contract's columns followed by the declared extras in their declared order."""
    return pa.schema([*EVENT_SCHEMA, *(pa.field(name, EXTRA_TYPES[kind]) for name, kind in extras.items())])
