"""Events in the lake -> ragged per-user sequences on a Spark cluster, row for row what ml.sequences.build gives.

The lake is a folder that every machine sees under the same path. The executors need this package's few libraries
(infra/spark/requirements.in); the package itself is sent to them.
"""

import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (the name that everyone gives it)
from pyspark.sql.pandas.types import from_arrow_schema

import ml
from ml.contracts.lake import BUCKETS, ORDER, bucket_range
from ml.sequences.build import EVENTS_AT_ONCE, Selection, chunk_size, cut_sequences, find_partitions
from ml.sequences.chunks import whole_buckets

warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # no row goes through it


@contextmanager
def open_session(name: str) -> Iterator[SparkSession]:
    """A Spark application on the master that spark-submit named, whose executors import the driver's own `ml`."""
    spark = SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    with tempfile.TemporaryDirectory() as folder:
        spark.sparkContext.addPyFile(_pack(Path(folder) / "ml.zip"))
        try:
            yield spark
        finally:
            spark.stop()


def build_sequences(
    spark: SparkSession, events: Path, wanted: Selection, *, shards: int, at_once: int = EVENTS_AT_ONCE
) -> DataFrame:
    """The selected users' kept events, with the columns of Sequences.events.

    Partition i holds whole users, the i-th of `shards` shards of them in the lake's order: `Sequences.of` cuts it.
    at_once: see stream_sequences. Raises InputAbsent.
    """
    rows = shuffle_events(spark, events, wanted, shards=shards)
    chosen = replace(wanted, users=None, active_in=None)  # the rows are those of the chosen users by now
    empty = cut_sequences(_lake_schema(events, wanted).empty_table(), chosen).events

    def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for chunk in whole_buckets(batches, chunk_size(at_once)):
            yield from cut_sequences(chunk, chosen).events.to_batches()

    return rows.mapInArrow(cut, from_arrow_schema(empty.schema))


def shuffle_events(spark: SparkSession, events: Path, wanted: Selection, *, shards: int) -> DataFrame:
    """The lake's rows of the selected users; partition i holds the i-th of `shards` shards, in the lake's order.

    Raises InputAbsent where the folder holds no partition, or while one of them is being published.
    """
    files = find_partitions(events, wanted.before)
    schema = from_arrow_schema(_lake_schema(events, wanted))
    reader = spark.read.schema(schema).option("recursiveFileLookup", "true")  # so that `ds=` makes no column
    lake = reader.parquet(*map(str, files)).where(F.col("event_time") < F.lit(wanted.before))
    first, end = bucket_range(wanted.shard)
    if (first, end) != (0, BUCKETS):
        lake = lake.where(F.col("user_bucket").between(first, end - 1))
    shard = F.expr(f"int(((user_bucket + 1L) * {shards} - 1) div {BUCKETS})")  # the inverse of bucket_range
    return _of_chosen_users(lake, wanted).repartitionById(shards, shard).sortWithinPartitions(*ORDER)


def _of_chosen_users(lake: DataFrame, wanted: Selection) -> DataFrame:
    columns = lake.columns
    if wanted.users is not None:
        users = pa.table({"user_id": pa.array(wanted.users, pa.string())})
        lake = lake.join(lake.sparkSession.createDataFrame(users), "user_id", "left_semi")
    if wanted.active_in is not None:
        start, end = F.lit(wanted.active_in.start), F.lit(wanted.active_in.end)
        inside = (F.col("event_time") >= start) & (F.col("event_time") < end)
        lake = lake.join(lake.where(inside).select("user_id").distinct(), "user_id", "left_semi")
    return lake.select(columns)  # a join puts its key first


def _lake_schema(events: Path, wanted: Selection) -> pa.Schema:
    """The newest day's, all of it nullable: an extra that only later days declare is absent before."""
    newest = pq.read_schema(find_partitions(events, wanted.before)[-1])
    return pa.schema(zip(newest.names, newest.types, strict=True))


def _pack(path: Path) -> str:
    """This package as a zip archive that executors can import from."""
    package = Path(ml.__file__).parent
    with zipfile.ZipFile(path, "w") as archive:
        for module in package.rglob("*.py"):
            archive.write(module, module.relative_to(package.parent))
    return str(path)
