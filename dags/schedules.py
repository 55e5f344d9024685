"""Timetables, start date, default arguments and tags that the DAGs share."""

import os
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from airflow.sdk import CronDataIntervalTimetable, Param

EPOCH = datetime(2010, 1, 1, tzinfo=UTC)
# A source that stopped (a historical data set, a simulation) has no interval after its last day to schedule.
SOURCE_ENDS = os.environ.get("TRAILGUARD_SOURCE_ENDS")
END = datetime.fromisoformat(SOURCE_ENDS).replace(tzinfo=UTC) if SOURCE_ENDS else None

# How often a promotion looks whether its challenger's shadow days are over; where days are played fast, they pass fast.
SHADOW_LOOK_SECONDS = float(os.environ.get("TRAILGUARD_SHADOW_LOOK_SECONDS", "600"))

DAILY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
WEEKLY = CronDataIntervalTimetable("0 0 * * 1", timezone="UTC")

DEFAULTS = {
    "owner": "trailguard",
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=6),
}
GPU_POOL = "gpu"

_EVERY_DAG = {"start_date": EPOCH, "catchup": False, "default_args": DEFAULTS}
ON_DEMAND = {"schedule": None, "max_active_runs": 1, **_EVERY_DAG}
EVERY_DAY = {"schedule": DAILY, "end_date": END, "max_active_runs": 4, **_EVERY_DAG}

# The interval that a run covers: its data interval, or the one a manual run names to load a longer history in one go.
INTERVAL_PARAMS = {
    "start": Param(None, type=["null", "string"], format="date", description="first day, for a manual run"),
    "end": Param(None, type=["null", "string"], format="date", description="day after the last, for a manual run"),
}
START = "{{ params.start or data_interval_start.isoformat() }}"
STOP = "{{ params.end or data_interval_end.isoformat() }}"


class Stage(StrEnum):
    """A DAG's tag: where on the journey it stands."""

    INGEST = "ingest"
    TRAIN = "train"
    PROMOTE = "promote"
    SCORE = "score"
    MONITOR = "monitor"
    ERASE = "erase"
