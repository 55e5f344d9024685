"""Small tables of flags, and a lake that answers what a run scored."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ml.contracts.flags import EVENT_FLAG_SCHEMA, FLAG_SCHEMA, ScoringRun, State, Threshold
from ml.contracts.intervals import DAY, Interval

FIRST_DAY = datetime(2014, 3, 1, tzinfo=UTC)
THRESHOLD = Threshold(
    threshold_id="trailguard-1",
    model_name="trailguard",
    model_version="1",
    label_as_of=FIRST_DAY,
    value=0.5,
    shortfall=None,
    method="learn_then_test",
    guarantee="precision >= 0.9",
    confidence=0.95,
    calibration_data={"users": 400},
    valid_from=FIRST_DAY,
)
REASONS = json.dumps([{"code": "pace", "contribution": 0.4, "value": "2 s", "typical": "94 s"}])


def day(number: int) -> Interval:
    return Interval(FIRST_DAY + number * DAY, FIRST_DAY + (number + 1) * DAY)


def run_of(interval: Interval, users: int, version: str = "1", dag_run_id: str | None = None) -> ScoringRun:
    return ScoringRun(
        interval=interval,
        model_name="trailguard",
        model_version=version,
        threshold_id=THRESHOLD.threshold_id,
        threshold=THRESHOLD.value,
        label_as_of=FIRST_DAY,
        users_scored=users,
        duration=timedelta(seconds=3),
        score_quantiles={"p50": 0.1},
        dag_run_id=dag_run_id,
    )


def flags_of(run: ScoringRun, scores: dict[str, float], state: State = State.ACTIVE, **changed: object) -> pa.Table:
    """One flag for each user, ranked by score. changed: other values for columns."""
    ranked = sorted(scores, key=lambda user: (-scores[user], user))
    own = [{"user_id": user, "score": scores[user], "rank": rank} for rank, user in enumerate(ranked, start=1)]
    return pa.Table.from_pylist([_decision(run, state) | row | changed for row in own], schema=FLAG_SCHEMA)


def event_flags_of(run: ScoringRun, scores: dict[tuple[str, str], float]) -> pa.Table:
    """One active flag for each (user, event), at the interval's start."""
    rows = [
        _decision(run, State.ACTIVE)
        | {"user_id": user, "event_id": event, "event_time": run.interval.start, "score": score, "rank": rank}
        for rank, ((user, event), score) in enumerate(scores.items(), start=1)
    ]
    return pa.Table.from_pylist(rows, schema=EVENT_FLAG_SCHEMA)


def _decision(run: ScoringRun, state: State) -> dict[str, object]:
    return {
        "interval_start": run.interval.start,
        "interval_end": run.interval.end,
        "state": state,
        "threshold": run.threshold,
        "reason_codes": REASONS,
        "model_name": run.model_name,
        "model_version": run.model_version,
        "threshold_id": run.threshold_id,
        "label_as_of": run.label_as_of,
        "dag_run_id": run.dag_run_id,
    }


@dataclass
class Lake:
    """All scores, flagged or not, as (interval, version) -> user -> score."""

    scores: dict[tuple[Interval, str], dict[str, float]] = field(default_factory=dict)

    def scored_below(self, run: ScoringRun, users: pa.Array) -> pa.Table:
        found = self.scores[run.interval, run.model_version]
        below = {user: found[user] for user in users.to_pylist() if found.get(user, 1.0) < run.threshold}
        return pa.table({"user_id": pa.array(below, pa.string()), "score": pa.array(below.values(), pa.float64())})
