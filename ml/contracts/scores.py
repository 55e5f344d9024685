"""The score contract: one row for each user of an interval, flagged or not, with a score where there was evidence
enough for one, kept in the lake."""

from enum import StrEnum

import pyarrow as pa

from ml.contracts.events import TIME

VERSION = 2


class Evidence(StrEnum):
    """Whether a trail can be judged."""

    SUFFICIENT = "sufficient"
    TOO_SHORT = "too_short"  # fewer events than the model needs to tell users apart
    TOO_UNLIKE = "too_unlike"  # unlike the trails of all users whom the model learned from, good and anomalous


SCORE_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("interval_start", TIME, nullable=False),
        pa.field("interval_end", TIME, nullable=False),
        pa.field("evidence", pa.string(), nullable=False),  # Evidence
        # both absent unless the evidence is sufficient
        pa.field("logit", pa.float32()),  # the model's own output at the user's last event
        pa.field("score", pa.float64()),  # calibrated probability of being anomalous, in [0, 1]
        pa.field("events", pa.int32(), nullable=False),  # events in the window that was scored
        pa.field("last_event_time", TIME, nullable=False),
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
    ]
)
