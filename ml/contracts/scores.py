"""The score contract: one row for each scored user of an interval, flagged or not, kept in the lake."""

import pyarrow as pa

from ml.contracts.events import TIME

VERSION = 1

SCORE_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("interval_start", TIME, nullable=False),
        pa.field("interval_end", TIME, nullable=False),
        pa.field("logit", pa.float32(), nullable=False),  # the model's own output at the user's last event
        pa.field("score", pa.float64(), nullable=False),  # calibrated probability of being anomalous, in [0, 1]
        pa.field("events", pa.int32(), nullable=False),  # events in the window that was scored
        pa.field("last_event_time", TIME, nullable=False),
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
    ]
)
