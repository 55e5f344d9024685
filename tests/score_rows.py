"""A small table of an interval's scores."""

import pyarrow as pa

from ml.contracts.intervals import Interval
from ml.contracts.scores import SCORE_SCHEMA, Evidence

DAY = Interval.parse("2014-03-01", "2014-03-02")


def score_rows(**found: float | Evidence) -> pa.Table:
    """Each user's score, or why they have none, in SCORE_SCHEMA."""
    common = {"interval_start": DAY.start, "interval_end": DAY.end, "events": 3, "last_event_time": DAY.start}
    common |= {"model_name": "trailguard", "model_version": "3"}
    rows = []
    for user, one in found.items():
        evidence, score = (one, None) if isinstance(one, Evidence) else (Evidence.SUFFICIENT, one)
        rows.append(common | {"user_id": user, "evidence": evidence, "score": score, "logit": score})
    return pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)
