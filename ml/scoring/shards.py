"""An interval's users in shards: how many there are, and the scores of one of them."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ml.contracts.intervals import Interval
from ml.contracts.lake import PART
from ml.contracts.model_version import ModelVersion
from ml.contracts.scores import SCORE_SCHEMA
from ml.errors import InputAbsent
from ml.scoring.scorer import Scorer
from ml.sequences.build import Selection, scan_events, stream_sequences
from ml.sequences.sequences import Sequences


def count_users(events: Path, interval: Interval) -> int:
    """Users with an event in the interval. Raises InputAbsent where a day of it has no partition."""
    partitions = [events / f"ds={day.ds}" for day in interval.days()]
    for partition in partitions:
        if not partition.is_dir():
            raise InputAbsent(partition=partition)
    files = [file for partition in partitions for file in sorted(partition.glob(PART))]
    inside = pl.col("event_time").is_between(interval.start, interval.end, closed="left")
    return scan_events(files).filter(inside).select(pl.col("user_id").n_unique()).collect(engine="streaming").item()


def count_shards(users: int, users_per_shard: int) -> int:
    """At least one, so that an interval whose users all went away is scored and published too."""
    return max(1, math.ceil(users / users_per_shard))


def score_shard(
    scorer: Scorer,
    events: Path,
    interval: Interval,
    shard: tuple[int, int],
    *,
    model: ModelVersion,
    at_once: int,
) -> pa.Table:
    """Scores in SCORE_SCHEMA of the shard's users who did something in the interval, as of its end.

    Args:
        shard: (i, n), the i-th of n.
        model: for the record.
        at_once: see stream_sequences.
    """
    wanted = Selection(interval.end, scorer.featurizer.window, active_in=interval, shard=shard)
    parts = stream_sequences(events, wanted, at_once=at_once)
    return pa.concat_tables(score_sequences(scorer, part, interval, model) for part in parts)


def score_sequences(scorer: Scorer, sequences: Sequences, interval: Interval, model: ModelVersion) -> pa.Table:
    """Scores in SCORE_SCHEMA, one row for each user in the sequences' order; the same in every engine."""
    judged = scorer.score_users(sequences)
    count = len(sequences)
    columns = {
        "user_id": sequences.user_ids,
        "interval_start": pa.repeat(pa.scalar(interval.start, SCORE_SCHEMA.field("interval_start").type), count),
        "interval_end": pa.repeat(pa.scalar(interval.end, SCORE_SCHEMA.field("interval_end").type), count),
        "evidence": pa.array(judged.evidence, pa.string()),
        "logit": pa.array(judged.logits, from_pandas=True),  # nan becomes null
        "score": pa.array(judged.scores, from_pandas=True),
        "events": sequences.lengths.astype(np.int32),
        "last_event_time": sequences.events["event_time"].take(pa.array(sequences.offsets[1:] - 1)),
        "model_name": pa.repeat(model.name, count),
        "model_version": pa.repeat(model.version, count),
    }
    return pa.table(columns).cast(SCORE_SCHEMA)
