"""Stages that watch the champion: what has drifted, whether its threshold keeps its promise, what to do about it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ml.commands.registered import models_folder, registry_of
from ml.commands.score import publisher
from ml.commands.stage import DagRunId, End, Start, new_app, stage
from ml.contracts.intervals import Interval, parse_time
from ml.errors import InputAbsent
from ml.files import write_json
from ml.settings import settings

if TYPE_CHECKING:
    from ml.contracts.flags import ScoringRun
    from ml.monitoring.alert import Alert

REFERENCE_DAYS = 7  # whole weeks: weekdays differ
DRIFT, PROMISE = "drift.json", "promise.json"
app = new_app()


@stage(app)
def measure_drift(start: Start, end: End) -> dict:
    """Compare the interval with the first days after the champion's training: its inputs, its scores, its labels."""
    from ml.ingest.label_store import LabelStore
    from ml.ingest.lake import EventLake
    from ml.monitoring.day import see_day
    from ml.monitoring.drift import find_drift, find_usual
    from ml.monitoring.labels import find_label_drift
    from ml.scoring.first_days import FirstDays
    from ml.scoring.scorer import Scorer

    chosen, interval = settings(), Interval.parse(start, end)
    bundle = _bundle(publisher().store.standing(interval))
    trained_as_of = parse_time(json.loads((bundle / "training.json").read_text())["as_of"])
    first, lake = FirstDays(trained_as_of, REFERENCE_DAYS), EventLake(chosen.lake)
    earlier = [day for day in first if day.end <= interval.start and lake.has_partition(day)]
    scorer = Scorer.load(bundle)
    seen = {
        day.ds: see_day(scorer, chosen.lake / "events", day, at_once=chosen.events_at_once)
        for day in [*earlier, interval]
    }
    today = seen.pop(interval.ds)
    usual = find_usual(seen)
    labels = LabelStore(chosen.database_url).known_at(interval.end)
    found = find_drift(list(usual.values()), today) + find_label_drift(
        labels, trained_as_of=trained_as_of, at=interval.end
    )
    return _write(interval, DRIFT, found, reference=list(usual))


@stage(app)
def watch_promise(start: Start, end: End) -> dict:
    """Whether those whom the acting threshold flagged are as often anomalous as it promised, as far as is known."""
    from datetime import timedelta

    from ml.commands.ingest import descriptor
    from ml.flags.read import first_flags
    from ml.ingest.label_store import LabelStore
    from ml.monitoring.promise import watch_budget, watch_precision
    from ml.training.verdicts import find_anomalous

    chosen, interval, publishes = settings(), Interval.parse(start, end), publisher()
    run = publishes.store.standing(interval)
    threshold = publishes.thresholds.find(run.threshold_id)
    matured = interval.end - timedelta(days=descriptor().label_delay_days)
    labels = LabelStore(chosen.database_url).known_at(interval.end)
    anomalous = find_anomalous(chosen.lake / "events", labels, as_of=interval.end)["user_id"].combine_chunks()
    watched, found = watch_precision(
        first_flags(chosen.database_url, threshold.threshold_id, matured), anomalous, threshold
    )
    scores = publishes.lake.read(interval, run.model)
    found += watch_budget(scores, threshold, chosen.alert_budget)
    return _write(interval, PROMISE, found, **{name: asdict(one) for name, one in watched.items()})


@stage(app)
def decide_action(start: Start, end: End, dag_run_id: DagRunId = "") -> dict:
    """Record the interval's alerts, and decide what to do about them; a decision that was made once stands."""
    from datetime import timedelta

    from ml.monitoring import ladder
    from ml.monitoring.store import MonitorStore

    interval, store = Interval.parse(start, end), MonitorStore(settings().database_url)
    model = publisher().store.standing(interval).model
    alerts = [alert for name in (DRIFT, PROMISE) for alert in _read(interval, name)]
    store.replace_alerts(interval, model, alerts)
    shadow = timedelta(days=settings().shadow_days)
    decision = ladder.decide_action(alerts, store.decisions(model), at=interval.end, shadow=shadow)
    standing = store.settle(interval, model, decision, dag_run_id=dag_run_id or None)
    told = [asdict(alert) for alert in alerts]
    return {**model.facts, "action": standing.action, "reason": standing.reason, "alerts": told}


@stage(app)
def send_alerts(start: Start, end: End) -> dict:
    """Post the interval's alerts and the decision to the webhook, where there is one."""
    from ml.monitoring.store import MonitorStore
    from ml.monitoring.webhook import send

    interval, address = Interval.parse(start, end), settings().alert_webhook.get_secret_value()
    alerts = [asdict(alert) for name in (DRIFT, PROMISE) for alert in _read(interval, name)]
    if not alerts or not address:
        return {"sent": 0}
    model = publisher().store.standing(interval).model
    made = {one.at: one for one in MonitorStore(settings().database_url).decisions(model)}
    decision = made.get(interval.end)
    send(
        address,
        {
            "interval_start": interval.start.isoformat(),
            "interval_end": interval.end.isoformat(),
            **model.facts,
            "alerts": alerts,
            "action": decision and decision.action,
            "reason": decision and decision.reason,
        },
    )
    return {"sent": len(alerts)}


def _bundle(run: "ScoringRun") -> Path:
    return registry_of(run.model_name).fetch(run.model_version, models_folder())


def _write(interval: Interval, name: str, alerts: "list[Alert]", **figures: object) -> dict:
    told = {"alerts": [asdict(alert) for alert in alerts], **figures}
    write_json(_folder(interval) / name, told)
    return told


def _read(interval: Interval, name: str) -> "list[Alert]":
    from ml.monitoring.alert import Alert, AlertKind

    path = _folder(interval) / name
    if not path.exists():
        raise InputAbsent(found=path)
    rows = json.loads(path.read_text())["alerts"]
    return [Alert(**row | {"kind": AlertKind(row["kind"])}) for row in rows]


def _folder(interval: Interval) -> Path:
    return settings().lake / "monitoring" / f"ds={interval.ds}"
