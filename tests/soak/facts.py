"""What happened, read back from where an operator would read it: the analyst's views, Airflow, MLflow.

All of it is one JSON object, from which the diary is written and the checks are made. Only what stands under `truth`
comes from the simulator.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date

import psycopg2
from psycopg2.extras import RealDictCursor

from tests.soak.deeds import read_deeds
from tests.soak.shop import DRIFTED_INPUT, LABEL_DELAY_DAYS, NEW_KIND, PLOT, PROMISE, SETTINGS, WEEK_DAYS, day
from tests.soak.truth import GOOD, Truth
from tests.soak.week import Evening, Week

Ask = Callable[..., list[dict]]
FLAGGED = ("active", "holdout")
_OF_DAY = "interval_start = %(day)s::date::timestamp AT TIME ZONE 'UTC'"
PARTITIONS = f"SELECT kind, rows_in, accepted, duplicate, quarantined FROM partition_history WHERE {_OF_DAY}"
LABELS = """
    SELECT kind, count(DISTINCT user_id) AS users FROM label_history
    WHERE label = 1 AND observed_at >= %(day)s::date::timestamp AT TIME ZONE 'UTC'
      AND observed_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'UTC' GROUP BY kind ORDER BY kind"""
RUNS = f"""
    SELECT model_version, threshold, users_scored, users_too_short, users_too_unlike, users_active, users_holdout,
        users_shadow, stands FROM run_history WHERE {_OF_DAY} ORDER BY published_at"""
FLAGS = f"SELECT user_id, state, model_name, model_version FROM flag_history WHERE {_OF_DAY} ORDER BY user_id"
ALERTS = f"SELECT kind, subject, told, model_version FROM alert_history WHERE {_OF_DAY} ORDER BY kind, subject"
REASONS = f"SELECT code, users FROM reason_counts WHERE {_OF_DAY} ORDER BY users DESC, code LIMIT 3"
DECISIONS = f"SELECT action, reason, model_version FROM decision_history WHERE {_OF_DAY}"


def read_facts(week: Week, evenings: Sequence[Evening], truth: Truth) -> dict:
    """settings, promise, deeds before the week, and of each day what came in, what was found and what was done."""
    deeds = read_deeds(week, evenings)
    with (
        closing(psycopg2.connect(week.url("trailguard_analyst"))) as session,
        session.cursor(cursor_factory=RealDictCursor) as rows,
    ):

        def ask(query: str, **values: object) -> list[dict]:
            rows.execute(query, values)
            return [dict(row) for row in rows.fetchall()]

        days = [
            _read_day(ask, number, evenings[number - 1], truth) | {"deeds": deeds[number]}
            for number in range(1, WEEK_DAYS + 1)
        ]
    told = {"settings": SETTINGS, "promise": PROMISE, "label_delay_days": LABEL_DELAY_DAYS}
    told |= {"plot": PLOT, "input": DRIFTED_INPUT, "new_kind": NEW_KIND}
    return told | {"before": deeds[0], "days": days}


def _read_day(ask: Ask, number: int, evening: Evening, truth: Truth) -> dict:
    today = day(number)
    flags = ask(FLAGS, day=today)
    return {
        "number": number,
        "date": today.isoformat(),
        "partitions": {row.pop("kind"): row for row in ask(PARTITIONS, day=today)},
        "labels": {row["kind"]: row["users"] for row in ask(LABELS, day=today)},
        "runs": ask(RUNS, day=today),
        "cleared": sum(flag["state"] == "cleared" for flag in flags),
        "acted_by": sorted({f"{flag['model_name']} {flag['model_version']}" for flag in flags if _acts(flag)}),
        "reasons": {row["code"]: row["users"] for row in ask(REASONS, day=today)},
        "alerts": ask(ALERTS, day=today),
        "decisions": ask(DECISIONS, day=today),
        "evening": {name: asdict(evening)[name] for name in ("champion", "flagged", "seconds")},
        "truth": _judge(flags, truth, today),
    }


def _acts(flag: dict) -> bool:
    return flag["state"] == "active"


def _judge(flags: list[dict], truth: Truth, today: date) -> dict[str, dict[str, int]]:
    """family -> how many of it came that day, once they had attacked, and how many of these were flagged."""
    families = truth.on(today)
    flagged = {flag["user_id"] for flag in flags if flag["state"] in FLAGGED}
    hit = families[families.index.isin(flagged)].value_counts()
    names = sorted(families.unique(), key=lambda name: (name == GOOD, name))
    came = families.value_counts()
    return {name: {"came": int(came[name]), "flagged": int(hit.get(name, 0))} for name in names}
