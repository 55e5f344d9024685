"""Run by spark-submit: answers every case on the cluster. Arguments: the lake, the folder for the answers."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import pyarrow.parquet as pq

from ml.errors import InputAbsent
from ml.scoring.score_lake import Plan, ScoreLake
from ml.scoring.spark import score_shards
from ml.sequences.spark import build_sequences, open_session
from tests.integration.spark_cases import BUSY, MODEL, QUIET, Case, cases


def main(lake: Path, answers: Path) -> None:
    events = lake / "events"
    with open_session("test") as spark:
        for case in cases(events):
            frame = build_sequences(spark, events, case.wanted, shards=case.shards, at_once=case.at_once)
            pq.write_table(frame.toArrow(), case.answer(answers))
        plan, scores = Plan(*MODEL, users=0, of=2), ScoreLake(lake / "scores")
        scores.write_plan(QUIET, plan)
        score_shards(spark, lake / "models" / "/".join(MODEL), events, QUIET, plan, scores, at_once=5_000)
        marker = events / ".pending" / f"{BUSY.ds}_{BUSY.ds}"
        marker.parent.mkdir(exist_ok=True)
        marker.touch()
        refuse(spark, events, next(cases(events)))
        marker.unlink()


def refuse(spark, events: Path, case: Case) -> None:
    try:
        build_sequences(spark, events, case.wanted, shards=1)
    except InputAbsent as absent:
        print(absent)
    else:
        raise AssertionError("a day that is being published was read")


main(Path(sys.argv[1]), Path(sys.argv[2]))
