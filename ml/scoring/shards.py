"""An interval's users in shards: how many there are, and the scores of one of them."""

import math
from pathlib import Path

import duckdb
import pyarrow as pa

from ml.contracts.intervals import Interval
from ml.errors import InputAbsent
from ml.scoring.score_rows import score_rows
from ml.scoring.scorer import Scorer
from ml.sequences.build import Selection, stream_sequences


def count_users(events: Path, interval: Interval) -> int:
    """Users with an event in the interval. Raises InputAbsent where a day of it has no partition."""
    partitions = [events / f"ds={day.ds}" for day in interval.days()]
    for partition in partitions:
        if not partition.is_dir():
            raise InputAbsent(partition=partition)
    files = [str(file) for partition in partitions for file in sorted(partition.glob("*.parquet"))]
    query = "select count(distinct user_id) from read_parquet($files) where event_time >= $start and event_time < $end"
    with duckdb.connect() as connection:
        found = connection.execute(query, {"files": files, "start": interval.start, "end": interval.end})
        return found.fetchone()[0]


def count_shards(users: int, users_per_shard: int) -> int:
    """At least one, so that an interval whose users all went away is scored and published too."""
    return max(1, math.ceil(users / users_per_shard))


def score_shard(
    scorer: Scorer,
    events: Path,
    interval: Interval,
    shard: tuple[int, int],
    *,
    model: tuple[str, str],
    at_once: int,
) -> pa.Table:
    """Scores in SCORE_SCHEMA of the shard's users who did something in the interval, as of its end.

    Args:
        shard: (i, n), the i-th of n.
        model: name and version, for the record.
        at_once: see stream_sequences.
    """
    wanted = Selection(interval.end, scorer.featurizer.window, active_in=interval, shard=shard)
    parts = stream_sequences(events, wanted, at_once=at_once)
    return pa.concat_tables(score_rows(scorer, part, interval, model) for part in parts)
