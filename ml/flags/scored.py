"""What the flag store must know of an interval's scores, read from the lake."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.flags import ScoringRun, Threshold
from ml.contracts.intervals import Interval
from ml.contracts.scores import Evidence
from ml.flags.clearing import ScoredBelow
from ml.scoring.score_lake import ScoreLake

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def describe_run(lake: ScoreLake, interval: Interval, threshold: Threshold, dag_run_id: str | None) -> ScoringRun:
    """The interval's scoring run, from the scores that its shards left."""
    rows = lake.read(interval, threshold.model)
    found = pc.quantile(rows["score"], list(QUANTILES)).to_pylist()
    quantiles = {f"p{round(100 * q)}": value for q, value in zip(QUANTILES, found, strict=True) if value is not None}
    return ScoringRun(
        interval=interval,
        model_name=threshold.model_name,
        model_version=threshold.model_version,
        threshold_id=threshold.threshold_id,
        threshold=threshold.value,
        label_as_of=threshold.label_as_of,
        users_scored=_count(rows, Evidence.SUFFICIENT),
        users_too_short=_count(rows, Evidence.TOO_SHORT),
        users_too_unlike=_count(rows, Evidence.TOO_UNLIKE),
        duration=timedelta(seconds=lake.seconds(interval, threshold.model)),
        score_quantiles=quantiles,
        dag_run_id=dag_run_id,
    )


def _count(rows: pa.Table, evidence: Evidence) -> int:
    return pc.sum(pc.equal(rows["evidence"], evidence)).as_py() or 0


def scored_below(lake: ScoreLake) -> ScoredBelow:
    """Looks up, for any published run, which of the users it scored below its threshold: not those without a score."""

    def look_up(run: ScoringRun, users: pa.Array) -> pa.Table:
        scores = lake.read(run.interval, run.model).select(["user_id", "score"])
        asked = pc.is_in(scores["user_id"], value_set=users)
        return scores.filter(pc.and_(asked, pc.less(scores["score"], run.threshold)))

    return look_up
