"""Sequence building: every user's newest events from daily partitions, beside pandas and beside a bare sort."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd

from ml.sequences.build import Selection, find_partitions, stream_sequences
from tests.bench.rows import Row, compare, rate, seconds
from tests.bench.shop import build_lake

BEFORE = datetime(2026, 7, 18, tzinfo=UTC)
WINDOW = 64


def measure(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        events = build_lake(root, 1_000_000 if quick else 4_000_000)
        files = [str(file) for file in find_partitions(root / "events", BEFORE)]

        def ours() -> int:
            wanted = Selection(BEFORE, WINDOW)
            return sum(len(part) for part in stream_sequences(root / "events", wanted))

        def peer() -> int:
            return len(tutorial_way(files))

        assert ours() == peer(), "both build every user's sequence"
        return [
            compare(
                "sequences_vs_pandas",
                lambda: rate(ours, events),
                lambda: rate(peer, events),
                unit="events/s",
                repetitions=3,
            ),
            compare(
                "sequences_vs_bare_sort",
                lambda: seconds(ours),
                lambda: seconds(lambda: bare_sort(files)),
                unit="s",
                repetitions=3 if quick else 7,
            ),
        ]


def tutorial_way(files: list[str]) -> dict[str, pd.DataFrame]:
    """Read all, sort, and take each group's tail."""
    events = pd.concat([pd.read_parquet(file, partitioning=None) for file in files])
    events = events.sort_values(["user_id", "event_time", "event_id"])
    return {user: trail.tail(WINDOW) for user, trail in events.groupby("user_id", sort=False)}


def bare_sort(files: list[str]) -> int:
    """The limit: DuckDB scans the same files, sorts the rows and hands them over, and nothing else."""
    query = "select * from read_parquet($files, hive_partitioning = false) order by user_id, event_time, event_id"
    with duckdb.connect() as connection:
        return sum(batch.num_rows for batch in connection.sql(query, params={"files": files}).to_arrow_reader())
