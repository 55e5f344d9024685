"""The flag store: publishes an interval's decisions by swapping its partition."""

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import errors
from psycopg2.extensions import cursor

from ml.contracts.flags import EVENT_FLAG_SCHEMA, FLAG_SCHEMA, ScoringRun, State
from ml.contracts.intervals import Interval
from ml.errors import ExitCode, TrailguardError
from ml.flags.check import check_flags
from ml.flags.clearing import Published, ScoredBelow, clear_interval, clear_later, read_standing
from ml.flags.refused import refusals
from ml.flags.staging import open_staging
from ml.postgres import replace_row, transaction

READERS_WAIT = "15ms"  # longest time for which a swap that waits for one table makes new readers wait
PAUSES = [min(0.05 * 2**attempt, 2.0) for attempt in range(66)]  # seconds between attempts, two minutes in all
# Puts all that was written so far on disk: the commit, during which readers wait, then has little left to write.
FLUSH = "SELECT pg_logical_emit_message(false, 'trailguard', 'staged', true)"
STUCK = "10min"  # a publisher that is silent for so long inside its transaction loses it, and its lock


class ReadersInTheWay(TrailguardError):
    """A long query kept reading the flags, so the new ones could not be swapped in; the old ones stand.

    End the query, or wait for its end, and publish again.
    """

    exit_code = ExitCode.ABSENT  # what is absent is a free moment: the stage is tried again later


class NotStanding(TrailguardError):
    """The interval has no published flags, or none by this threshold: others may have replaced them meanwhile.

    What stands is left as it is; try again later.
    """

    exit_code = ExitCode.ABSENT


@dataclass(frozen=True)
class Publication:
    """What publishing an interval did."""

    active: int
    holdout: int
    shadow: int
    cleared: int
    cleared_later: int  # cleared rows written to later intervals, which follow from this one
    copy_seconds: float  # copying, checking and indexing, while others may publish
    clear_seconds: float  # deriving cleared rows, while others wait; what waiting for others takes is in none of these
    swap_seconds: float  # attempts and pauses included, from the first try to the commit


class FlagStore:
    """Publishes flags to PostgreSQL as trailguard_writer.

    Args:
        url: address of the trailguard database, libpq's or SQLAlchemy's.
        expiry: for how long after its interval's end a flag counts.
    """

    def __init__(self, url: str, expiry: timedelta = timedelta(days=30)):
        self.url = url
        self.expiry = expiry

    def standing(self, interval: Interval) -> ScoringRun:
        """The run whose flags are the interval's. Raises NotStanding."""
        with transaction(self.url) as rows:
            found = [each.run for each in read_standing(rows) if each.run.interval == interval]
        if not found:
            raise NotStanding(interval=interval)
        return found[0]

    def publish(
        self,
        run: ScoringRun,
        flags: pa.Table,
        scored_below: ScoredBelow,
        event_flags: pa.Table | None = None,
        *,
        again: bool = False,
    ) -> Publication:
        """Makes the flags those of the run's interval, at one moment; readers see all of them or the old ones.

        flags: FLAG_SCHEMA, every state but cleared; cleared rows are derived, here and in later intervals.
        event_flags: EVENT_FLAG_SCHEMA; None: the interval has no flagged events.
        scored_below: see ml.flags.clearing; asked about this run and about standing runs of later intervals.
        again: only where a run by the same threshold stands.
        Publishing again, late, in another order or beside another publisher leaves the same rows. A publisher that
        dies leaves no row that anybody reads; parts of a large interval that it had filled, the next one drops.
        Raises FlagsMalformed, FlagsContradictRun, FlagsRefused, ReadersInTheWay, NotStanding.
        """
        tables = {"user_flag": check_flags(flags, FLAG_SCHEMA, run)}
        if event_flags is not None:
            tables["event_flag"] = check_flags(event_flags, EVENT_FLAG_SCHEMA, run)
        counts = {state: _count(flags, state) for state in (State.ACTIVE, State.HOLDOUT, State.SHADOW)}
        now = Published(run, run.interval.end + self.expiry)
        started = time.perf_counter()
        with refusals(), transaction(self.url) as rows, open_staging(self.url, rows, now, tables) as staging:
            rows.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{STUCK}'")
            staging.fill(tables)
            copied = time.perf_counter()
            # others may copy meanwhile; from here on, what is published is this publisher's alone to change
            rows.execute("SELECT await_turn()")
            turn = time.perf_counter()
            standing = read_standing(rows)
            if again:
                _require_standing(standing, run)
            _record_run(rows, now, counts)  # what it may refuse, it refuses before other sessions commit their parts
            cleared = clear_interval(staging.ask_users, standing, run, tables["user_flag"], scored_below)
            staging.add_users(cleared)
            later = clear_later(rows, standing, now, staging.gather(), scored_below)
            rows.execute(FLUSH)
            ready = time.perf_counter()
            _swap(rows, run.interval.start)
        done = time.perf_counter()
        return Publication(
            active=counts[State.ACTIVE],
            holdout=counts[State.HOLDOUT],
            shadow=counts[State.SHADOW],
            cleared=len(cleared),
            cleared_later=later,
            copy_seconds=copied - started,
            clear_seconds=ready - turn,
            swap_seconds=done - ready,
        )


def _count(flags: pa.Table, state: State) -> int:
    return pc.sum(pc.equal(flags["state"], state)).as_py() or 0


def _require_standing(standing: list[Published], run: ScoringRun) -> None:
    if not any((each.start, each.run.threshold_id) == (run.interval.start, run.threshold_id) for each in standing):
        raise NotStanding(interval=run.interval, threshold_id=run.threshold_id)


def _swap(rows: cursor, start: datetime) -> None:
    """Swaps both partitions. A swap must wait for the readers of the moment, and new readers queue behind it: so it
    waits briefly, lets them pass, and tries again."""
    for pause in PAUSES:
        rows.execute(f"SAVEPOINT swap; SET LOCAL lock_timeout = '{READERS_WAIT}'")
        try:
            for parent in ("user_flag", "event_flag"):
                rows.execute("SELECT swap_flags(%s, %s)", [parent, start])
        except errors.LockNotAvailable:
            rows.execute("ROLLBACK TO SAVEPOINT swap")
            time.sleep(pause)
        else:
            return
    raise ReadersInTheWay(interval_start=start.isoformat(), attempts=len(PAUSES))


def _record_run(rows: cursor, now: Published, counts: dict[State, int]) -> None:
    facts = {name: value for name, value in vars(now.run).items() if name != "interval"}
    facts |= {
        "interval_start": now.start,
        "interval_end": now.run.interval.end,
        "expires_at": now.expires_at,
        "users_active": counts[State.ACTIVE],
        "users_holdout": counts[State.HOLDOUT],
        "users_shadow": counts[State.SHADOW],
        "score_quantiles": json.dumps(now.run.score_quantiles),
        "stands": True,
    }
    rows.execute("UPDATE scoring_run SET stands = false WHERE stands AND interval_start = %s", [now.start])
    key = ("interval_start", "model_name", "model_version")
    replace_row(rows, "scoring_run", facts, key, clock="published_at")
