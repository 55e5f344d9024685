"""An interval's shards of users, scored on a Spark cluster into the files that ml.scoring.shards would give."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession

from ml.contracts.intervals import Interval
from ml.contracts.scores import SCORE_SCHEMA
from ml.scoring.score_lake import Plan, ScoreLake
from ml.scoring.scorer import Scorer
from ml.scoring.shards import score_sequences
from ml.sequences.build import Selection, chunk_size, cut_sequences
from ml.sequences.chunks import whole_buckets
from ml.sequences.spark import shuffle_events


def score_shards(
    spark: SparkSession, bundle: Path, events: Path, interval: Interval, plan: Plan, lake: ScoreLake, *, at_once: int
) -> int:
    """Scores every planned shard, one in each partition, where its executor writes it; returns how many users.

    bundle, events and the score lake are folders that every machine sees under the same path.
    at_once: see stream_sequences. Raises InputAbsent.
    """
    bundle, lake = bundle.absolute(), ScoreLake(lake.root.absolute())  # executors work in folders of their own
    window = Scorer.load(bundle).featurizer.window
    wanted = Selection(interval.end, window, active_in=interval)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        began, shard = time.perf_counter(), TaskContext.get().partitionId()
        scorer = Scorer.load(bundle, threads=1)  # the executor's other cores have tasks of their own
        parts = [
            score_sequences(scorer, cut_sequences(chunk, wanted), interval, plan.model)
            for chunk in whole_buckets(batches, chunk_size(at_once))
        ]
        scores = pa.concat_tables([SCORE_SCHEMA.empty_table(), *parts])
        lake.write_shard(interval, plan.model, (shard, plan.of), scores, round(time.perf_counter() - began, 3))
        yield pa.record_batch({"shard": [shard], "users": [scores.num_rows]})

    rows = shuffle_events(spark, events, wanted, shards=plan.of)
    written = {row.shard: row.users for row in rows.mapInArrow(score, "shard long, users long").collect()}
    for shard in set(range(plan.of)) - set(written):  # Spark starts nothing where there are no rows
        lake.write_shard(interval, plan.model, (shard, plan.of), SCORE_SCHEMA.empty_table(), 0.0)
    return sum(written.values())
