"""Cleared rows follow from what is published (docs/decisions/0001): a user whose flag of an earlier interval had not
expired when interval D began, and who was scored below the threshold in D, has a `cleared` row in D."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.extensions import cursor

from ml.contracts.flags import FLAG_SCHEMA, NO_REASONS, ScoringRun, State
from ml.contracts.intervals import Interval
from ml.postgres import copy_rows, fetch_strings

# (the run that stands for an interval, users) -> columns user_id and score of at least those of the users whom that
# run scored below its threshold, each once. Whoever publishes reads it from the lake.
ScoredBelow = Callable[[ScoringRun, pa.Array], pa.Table]
# (a query, the intervals' starts that it is to be asked about as %(starts)s) -> the users that it finds, some often.
AskUsers = Callable[[str, Sequence[datetime]], pa.ChunkedArray]

_FLAGGED_IN = """
    SELECT DISTINCT user_id FROM user_flag
    WHERE state = 'active' AND interval_start = ANY (%(starts)s::timestamptz[])"""
# Users whose active row in an interval appears or vanishes (they are active once, before or now) or, where its expiry
# changes, any of them.
_CHANGED = """
    CREATE TEMPORARY TABLE changed ON COMMIT DROP AS
    SELECT user_id, bool_or(is_new) AS is_active FROM (
        SELECT user_id, true AS is_new FROM {staged} WHERE state = 'active'
        UNION ALL
        SELECT user_id, false FROM user_flag WHERE state = 'active' AND interval_start = %(now)s) AS both_times
    GROUP BY user_id HAVING count(*) IS DISTINCT FROM %(unchanged)s"""
_FLAGGED_BEFORE_LATER = """
    SELECT user_id FROM changed
    WHERE (is_active AND %(now_lives)s
           OR EXISTS (SELECT FROM user_flag f WHERE f.user_id = changed.user_id AND f.state = 'active'
                      AND f.interval_start = ANY (%(living)s::timestamptz[])))
      AND NOT EXISTS (SELECT FROM user_flag f
                      WHERE f.user_id = changed.user_id AND f.interval_start = %(target)s)"""


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


def clear_interval(
    ask_users: AskUsers, standing: list[Published], run: ScoringRun, flags: pa.Table, scored_below: ScoredBelow
) -> pa.Table:
    """The cleared rows of an interval that is being published, in FLAG_SCHEMA.

    flags: the interval's other rows. A shadow row says itself that the champion scored the user below its threshold,
    and hides their older flags as a cleared row would; a row of the hold-out hides them because it is one.
    """
    living = [published.start for published in standing if published.lives_at(run.interval.start)]
    before = ask_users(_FLAGGED_IN, living).unique()
    now = flags["user_id"].filter(pc.is_in(flags["user_id"], before))
    return _cleared_rows(run, before.filter(pc.invert(pc.is_in(before, now))), scored_below)


def clear_later(rows: cursor, standing: list[Published], now: Published, staged: str, scored_below: ScoredBelow) -> int:
    """Derives anew the cleared rows that depend on an interval that is being published; returns how many there are.

    Only users whose active row there appears, vanishes or changes its expiry can gain or lose a cleared row.
    rows: before the interval's partition is swapped. staged: the table with its new rows.
    """
    others = [published for published in standing if published.start != now.start]
    replaced = [published for published in standing if published.start == now.start]
    reach = max(published.expires_at for published in [now, *replaced])
    later = [published for published in others if now.start < published.start < reach]
    if not later:
        return 0
    same_expiry = all(published.expires_at == now.expires_at for published in replaced)
    rows.execute(_CHANGED.format(staged=staged), {"now": now.start, "unchanged": 2 if same_expiry else None})
    return sum(_clear_again(rows, others, now, target, scored_below) for target in later)


def _clear_again(
    rows: cursor, others: list[Published], now: Published, target: Published, scored_below: ScoredBelow
) -> int:
    rows.execute(
        "DELETE FROM user_flag f USING changed WHERE f.user_id = changed.user_id"
        " AND f.state = 'cleared' AND f.interval_start = %s",
        [target.start],
    )
    living = [published.start for published in others if published.lives_at(target.start)]
    facts = {"living": living, "target": target.start, "now_lives": now.lives_at(target.start)}
    cleared = _cleared_rows(target.run, fetch_strings(rows, _FLAGGED_BEFORE_LATER, facts), scored_below)
    copy_rows(rows, "user_flag", with_expiry(cleared, target.expires_at))
    return len(cleared)


def with_expiry(flags: pa.Table, expires_at: datetime) -> pa.Table:
    """The flags with the column expires_at."""
    expiry = pa.repeat(pa.scalar(expires_at, FLAG_SCHEMA.field("interval_end").type), len(flags))
    return flags.append_column("expires_at", expiry)


def _cleared_rows(run: ScoringRun, users: pa.Array, scored_below: ScoredBelow) -> pa.Table:
    if not len(users):
        return FLAG_SCHEMA.empty_table()
    below = scored_below(run, users)
    below = below.filter(pc.is_in(below["user_id"], users))
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
