"""What Spark relies on, as far as it can be seen without Spark."""

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from ml.contracts.lake import ORDER
from ml.errors import ExitCode
from ml.sequences.build import Selection, chunk_size, cut_sequences, stream_sequences
from ml.sequences.chunks import whole_buckets
from tests.trails import random_events, write_lake
from tests.unit.test_sequences import END

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("events"), random_events())


@pytest.mark.parametrize("at_once", [1, 90, 300, 1797, 1800, 30_000])
@pytest.mark.parametrize("batch", [1, 7, 64, 10_000])
def test_a_sorted_stream_is_cut_into_the_chunks_of_one_machine(lake: Path, at_once: int, batch: int):
    wanted = Selection(END, 1000)
    files = sorted(lake.glob("ds=*/*.parquet"))
    rows = pa.Table.from_batches(pl.read_parquet(files).sort(*ORDER).to_arrow().to_batches()).combine_chunks()
    cut = [
        cut_sequences(chunk, wanted)
        for chunk in whole_buckets(rows.to_batches(max_chunksize=batch), chunk_size(at_once))
    ]
    parts = list(stream_sequences(lake, wanted, at_once=at_once))
    assert [part.user_ids.to_pylist() for part in cut] == [part.user_ids.to_pylist() for part in parts]
    assert sum(len(part) for part in cut) == 30


def test_both_engines_run_on_the_same_libraries():
    main, spark = (versions(ROOT / name) for name in ("requirements.lock", "infra/spark/requirements.lock"))
    assert {"numpy", "pyarrow", "polars", "onnxruntime"} < spark.keys()
    assert {name: main[name] for name in spark.keys() & main.keys()} == {
        name: spark[name] for name in spark.keys() & main.keys()
    }
    assert spark.keys() - main.keys() == {"pyspark", "py4j"}


def test_nothing_else_imports_pyspark():
    users = {str(path.relative_to(ROOT)) for path in (ROOT / "ml").rglob("*.py") if "pyspark" in path.read_text()}
    assert users == {"ml/sequences/spark.py", "ml/scoring/spark.py"}


def test_without_pyspark_the_stage_says_how_to_run_it(tmp_path: Path):
    options = ("--start", "2024-01-01", "--end", "2024-01-02", "--version", "1")
    command = [sys.executable, "-m", "ml", "score-shards", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "spark-submit" in done.stderr


def versions(lock: Path) -> dict[str, set[str]]:
    """Package -> its versions, of which a lock for several Pythons may hold more than one."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock.read_text(), re.M):
        found.setdefault(name, set()).add(version)
    return found
