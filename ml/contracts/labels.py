"""The label contract: append-only verdicts with two clocks (when it happened, when we learned it)."""

import pyarrow as pa

from ml.contracts.events import TIME

VERSION = 1

LABEL_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("event_id", pa.string()),  # absent: the label names the user; present: that event of theirs
        pa.field("label", pa.int8(), nullable=False),  # 1 anomalous, 0 reviewed and found good
        pa.field("kind", pa.string(), nullable=False),  # fraud, fake_order, bot, vandalism, ... or "none" for label 0
        pa.field("source", pa.string(), nullable=False),  # who said so: moderators, chargeback, review, ...
        pa.field("confidence", pa.float64(), nullable=False),  # in (0, 1]
        pa.field("observed_at", TIME, nullable=False),  # when we learned it
    ]
)
NO_KIND = "none"
