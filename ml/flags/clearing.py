"""Cleared rows follow from what is published (docs/decisions/0001): a user whose flag of an earlier interval had not
expired when interval D began, and who was scored below the threshold in D, has a `cleared` row in D."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.extensions import cursor

from ml.contracts.flags import FLAG_SCHEMA, NO_REASONS, ScoringRun, State
from ml.contracts.intervals import Interval
from ml.postgres import copy_rows

# (the run that stands for an interval, users) -> columns user_id and score of at least those of the users whom that
# run scored below its threshold, each once. Whoever publishes reads it from the lake.
ScoredBelow = Callable[[ScoringRun, list[str]], pa.Table]


@dataclass(frozen=True)
class Published:
    """An interval's standing run, and when its flags expire."""

    run: ScoringRun
    expires_at: datetime

    @property
    def start(self) -> datetime:
        return self.run.interval.start

    def lives_at(self, moment: datetime) -> bool:
        """Whether its flags, published before the moment, still count then."""
        return self.start < moment < self.expires_at


def read_standing(rows: cursor) -> list[Published]:
    """The standing run of every published interval, oldest first."""
    rows.execute(
        "SELECT interval_start, interval_end, model_name, model_version, threshold_id, threshold, label_as_of,"
        " users_scored, duration, score_quantiles, dag_run_id, expires_at"
        " FROM scoring_run WHERE stands ORDER BY interval_start"
    )
    return [
        Published(ScoringRun(Interval(start, end), *facts), expires_at)
        for start, end, *facts, expires_at in rows.fetchall()
    ]


def users_with_rows(rows: cursor, state: State, starts: Iterable[datetime], among: set[str] | None = None) -> set[str]:
    """Users with a row of that state in one of the intervals that start then; of `among` only, where given."""
    query = "SELECT DISTINCT user_id FROM user_flag WHERE state = %s AND interval_start = ANY(%s::timestamptz[])"
    arguments: list[object] = [state, list(starts)]
    if among is not None:
        query += " AND user_id = ANY(%s)"
        arguments.append(list(among))
    rows.execute(query, arguments)
    return {user for (user,) in rows.fetchall()}


def clear_interval(
    rows: cursor, standing: list[Published], run: ScoringRun, flagged: set[str], scored_below: ScoredBelow
) -> pa.Table:
    """The cleared rows of an interval that is being published, in FLAG_SCHEMA.

    flagged: users who have a row there already, active or shadow. A shadow row says itself that the acting model did
    not flag the user, and hides their older flags as a cleared row would.
    """
    living = [published.start for published in standing if published.lives_at(run.interval.start)]
    return _cleared_rows(run, users_with_rows(rows, State.ACTIVE, living) - flagged, scored_below)


def clear_later(
    rows: cursor, standing: list[Published], now: Published, active: set[str], scored_below: ScoredBelow
) -> int:
    """Derives anew the cleared rows that depend on an interval that is being published; returns how many there are.

    Only users whose active row there appears, vanishes or changes its expiry can gain or lose a cleared row.
    rows: before the interval's partition is swapped.
    """
    others = [published for published in standing if published.start != now.start]
    replaced = [published for published in standing if published.start == now.start]
    reach = max(published.expires_at for published in [now, *replaced])
    later = [published for published in others if now.start < published.start < reach]
    before = users_with_rows(rows, State.ACTIVE, [now.start]) if later else set()
    same_expiry = all(published.expires_at == now.expires_at for published in replaced)
    changed = active ^ before if same_expiry else active | before
    return sum(_clear_again(rows, others, now, active, target, changed, scored_below) for target in later if changed)


def _clear_again(
    rows: cursor,
    others: list[Published],
    now: Published,
    active: set[str],
    target: Published,
    changed: set[str],
    scored_below: ScoredBelow,
) -> int:
    rows.execute(
        "DELETE FROM user_flag WHERE state = 'cleared' AND interval_start = %s AND user_id = ANY(%s)",
        [target.start, list(changed)],
    )
    living = [published.start for published in others if published.lives_at(target.start)]
    reasons = users_with_rows(rows, State.ACTIVE, living, changed)
    if now.lives_at(target.start):
        reasons |= active & changed
    for state in (State.ACTIVE, State.SHADOW):
        reasons -= users_with_rows(rows, state, [target.start], reasons)
    cleared = _cleared_rows(target.run, reasons, scored_below)
    copy_rows(rows, "user_flag", with_expiry(cleared, target.expires_at))
    return len(cleared)


def with_expiry(flags: pa.Table, expires_at: datetime) -> pa.Table:
    """The flags with the column expires_at."""
    expiry = pa.repeat(pa.scalar(expires_at, FLAG_SCHEMA.field("interval_end").type), len(flags))
    return flags.append_column("expires_at", expiry)


def _cleared_rows(run: ScoringRun, users: set[str], scored_below: ScoredBelow) -> pa.Table:
    if not users:
        return FLAG_SCHEMA.empty_table()
    below = scored_below(run, sorted(users))
    below = below.filter(pc.is_in(below["user_id"], pa.array(sorted(users), pa.string())))
    facts = {
        "interval_start": run.interval.start,
        "interval_end": run.interval.end,
        "state": State.CLEARED,
        "threshold": run.threshold,
        "rank": None,
        "reason_codes": NO_REASONS,
        "model_name": run.model_name,
        "model_version": run.model_version,
        "threshold_id": run.threshold_id,
        "label_as_of": run.label_as_of,
        "dag_run_id": run.dag_run_id,
    }
    columns = {name: below[name].cast(FLAG_SCHEMA.field(name).type) for name in ("user_id", "score")}
    for name, fact in facts.items():
        columns[name] = pa.repeat(pa.scalar(fact, FLAG_SCHEMA.field(name).type), len(below))
    return pa.table([columns[name] for name in FLAG_SCHEMA.names], schema=FLAG_SCHEMA)
