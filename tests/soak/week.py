"""Plays the week: each day's raw files come in, the daily DAGs run, and what the platform starts by itself ends."""

import os
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg2

from infra.local.airflow_client import AirflowClient
from infra.local.journey import Journey, load, log_in, open_journey, promote, start_stack, train
from infra.local.stack import Stack
from ml.files import write_json
from ml.registry.model_registry import CHAMPION, ModelRegistry
from ml.settings import Settings
from tests.soak.night import sleep_over
from tests.soak.shop import PLOT, SETTINGS, WEEK_DAYS, day, open_shop

MODEL = Settings.model_fields["model_name"].default
BY_DAY, BY_NIGHT = ("score_users", "shadow_challenger"), "monitor_model"
CARELESS = {"gru": {"config": {"epochs": 1}}}  # somebody was in a hurry


@dataclass(frozen=True)
class Evening:
    """What stood when a day was over. began: by the clock on the wall. flagged: model and version -> users whom the
    recommender reads as flagged."""

    day: date
    began: datetime
    champion: str
    flagged: dict[str, int]
    seconds: float


@dataclass
class Week:
    """A journey with its champion, about to live through the days."""

    journey: Journey
    airflow: AirflowClient

    @property
    def stack(self) -> Stack:
        return self.journey.stack

    def url(self, role: str) -> str:
        return self.stack.postgres.dsn(role, "trailguard")

    def registry(self, name: str) -> ModelRegistry:
        """As MLflow's administrator sees it."""
        password = self.stack.secrets["MLFLOW_ADMIN_PASSWORD"]
        os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        return ModelRegistry(f"http://{self.stack.site.mlflow}", name)

    def shadow_until(self, candidate: str) -> date:
        """The last day on which the candidate is scored in the shadow."""
        as_of = self.registry(f"{MODEL}-candidates").tags(candidate)["as_of"]
        return date.fromisoformat(as_of[:10]) + timedelta(days=SETTINGS["TRAILGUARD_SHADOW_DAYS"] - 1)


def prepare(home: Path) -> Week:
    """A fresh shop, a fresh stack with accounts, its history, its first champion."""
    if (home / "stack.json").exists():
        Stack(home).remove()
    shop = str(open_shop(home / "shop"))
    journey = open_journey(shop, home)
    start_stack(journey, shop, secure=True, **SETTINGS)
    airflow, plan = log_in(journey), journey.descriptor.demo
    load(journey, airflow, plan.history_start, plan.as_of, "history")
    train(journey, airflow)
    promote(journey, airflow, approve=True)
    return Week(journey, airflow)


def play(week: Week) -> list[Evening]:
    """Day after day; each evening is also kept in the home's evenings.json."""
    evenings = []
    for number in range(1, WEEK_DAYS + 1):
        evenings.append(_play_day(week, number))
        write_json(week.stack.home / "evenings.json", [asdict(evening) for evening in evenings])
    return evenings


def _play_day(week: Week, number: int) -> Evening:
    began, today = datetime.now(UTC), day(number)
    with week.journey.stage(f"day {number}: {today:%A} {today}") as status:
        load(week.journey, week.airflow, today, today + timedelta(days=1), "the day")
        for dag_id in BY_DAY:
            week.airflow.backfill(dag_id, today, today, tell=status.update)
        sleep_over(week.airflow, today, week.shadow_until)  # whoever is asked for a promotion answers the same day
        if number == PLOT["bad"]:
            train_carelessly(week, today + timedelta(days=1))
            sleep_over(week.airflow, today, week.shadow_until)
        week.airflow.backfill(BY_NIGHT, today, today, tell=status.update)
        sleep_over(week.airflow, today, week.shadow_until)
    champion, seconds = week.registry(MODEL).version_of(CHAMPION), (datetime.now(UTC) - began).total_seconds()
    return Evening(today, began, champion, _flagged(week), round(seconds))


def train_carelessly(week: Week, as_of: date) -> str:
    """Somebody tries a configuration by which nothing can be learned, and forgets that a training registers."""
    tuned = week.stack.home / "in-a-hurry" / "tuned.json"
    write_json(tuned, CARELESS)
    return week.airflow.trigger("train_model", as_of=str(as_of), tuned=str(tuned))


def _flagged(week: Week) -> dict[str, int]:
    query = "SELECT model_name || ' ' || model_version, count(*) FROM current_flag GROUP BY 1 ORDER BY 1"
    with psycopg2.connect(week.url("trailguard_recommender")) as session, session.cursor() as rows:
        rows.execute(query)
        return dict(rows.fetchall())
