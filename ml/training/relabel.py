"""Label rows -> label rows that say what is believed of users, whatever they are called."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.labels import LABEL_SCHEMA
from ml.sequences.sequences import Sequences
from ml.training.doubt import contradicted

BELIEVED = "believed"  # kind and source of a label that nobody gave


def relabel(labels: pa.Table, seen: Sequences, called: np.ndarray, beliefs: np.ndarray) -> pa.Table:
    """LABEL_SCHEMA: of users believed to be other than they are called, no label where good, and one from right after
    the last event in sight on where anomalous; of all others what `labels` says.

    called: (users,), 0 or 1, of the users in `seen`. beliefs: float64 (users,), the probability that each is anomalous.
    """
    doubted = contradicted(called, beliefs)
    others = pc.invert(pc.is_in(labels["user_id"], value_set=seen.user_ids.filter(pa.array(doubted))))
    named = np.flatnonzero(doubted & (beliefs > 0.5))
    last = seen.events["event_time"].take(pa.array(seen.last_rows[named]))
    given = {
        "user_id": seen.user_ids.take(pa.array(named)),
        "event_id": pa.nulls(len(named), pa.string()),
        "label": np.ones(len(named), np.int8),
        "kind": [BELIEVED] * len(named),
        "source": [BELIEVED] * len(named),
        "confidence": beliefs[named],
        "observed_at": pc.add(last, pa.scalar(timedelta(seconds=1))),
    }
    kept = labels.filter(others).select(LABEL_SCHEMA.names).cast(LABEL_SCHEMA)
    return pa.concat_tables([kept, pa.table(given, schema=LABEL_SCHEMA)])
