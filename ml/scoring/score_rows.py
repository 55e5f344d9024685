"""Sequences -> rows of the score contract; the same in every engine."""

import numpy as np
import pyarrow as pa

from ml.contracts.intervals import Interval
from ml.contracts.scores import SCORE_SCHEMA
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences


def score_rows(scorer: Scorer, sequences: Sequences, interval: Interval, model: tuple[str, str]) -> pa.Table:
    """Scores in SCORE_SCHEMA, one row for each user, in the sequences' order. model: name and version."""
    logits, scores = scorer.score_users(sequences)
    count = len(sequences)
    name, version = model
    columns = {
        "user_id": sequences.user_ids,
        "interval_start": pa.repeat(pa.scalar(interval.start, SCORE_SCHEMA.field("interval_start").type), count),
        "interval_end": pa.repeat(pa.scalar(interval.end, SCORE_SCHEMA.field("interval_end").type), count),
        "logit": logits,
        "score": scores,
        "events": sequences.lengths.astype(np.int32),
        "last_event_time": sequences.events["event_time"].take(pa.array(sequences.last_rows)),
        "model_name": pa.repeat(name, count),
        "model_version": pa.repeat(version, count),
    }
    return pa.table(columns).cast(SCORE_SCHEMA)
