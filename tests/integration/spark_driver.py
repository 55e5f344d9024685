"""Run by spark-submit: answers every case on the cluster. Arguments: the lake, the folder for the answers."""

# ruff: noqa: E402 (the path comes before what it leads to)
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ml.contracts.lake import PENDING
from ml.errors import InputAbsent
from ml.scoring.score_lake import Plan, ScoreLake
from ml.scoring.spark import score_shards
from ml.sequences.build import Selection
from ml.sequences.spark import build_sequences, open_session
from tests.integration.spark_cases import BUSY, MODEL, QUIET, cases


def main(lake: Path, answers: Path) -> None:
    with open_session("test") as spark:
        for case in cases(lake):
            frame = build_sequences(spark, case.events, case.wanted, shards=case.shards, at_once=case.at_once)
            pq.write_table(frame.toArrow(), case.answer(answers))
        score_a_quiet_day(spark, lake)
        (answers / "refusal").write_text(refusal(spark, lake / "events"))


def score_a_quiet_day(spark: SparkSession, lake: Path) -> None:
    plan, scores = Plan(*MODEL, users=0, of=2), ScoreLake(lake / "scores")
    scores.write_plan(QUIET, plan)
    score_shards(spark, lake / "models" / str(MODEL), lake / "events", QUIET, plan, scores, at_once=5_000)


def refusal(spark: SparkSession, events: Path) -> str:
    """What is said while a day is being published."""
    marker = events / PENDING / f"{BUSY.ds}_{BUSY.ds}"
    marker.parent.mkdir(exist_ok=True)
    marker.touch()
    try:
        build_sequences(spark, events, Selection(BUSY.end, window=1), shards=1)
    except InputAbsent as absent:
        return str(absent)
    finally:
        marker.unlink()
    return ""


main(Path(sys.argv[1]), Path(sys.argv[2]))
