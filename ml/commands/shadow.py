"""Stages that score a challenger in the shadow of the champion, and tell where the two agree."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import candidates, production
from ml.commands.score import ThresholdId, plan, publisher
from ml.commands.stage import DagRunId, End, Start, new_app, stage
from ml.contracts.intervals import Interval, parse_time
from ml.contracts.model_version import ModelVersion
from ml.errors import InputAbsent
from ml.settings import settings

if TYPE_CHECKING:
    from ml.contracts.flags import Threshold
    from ml.registry.model_registry import ModelRegistry
    from ml.scoring.first_days import FirstDays

Candidate = Annotated[str, typer.Option("--version", help="Of the candidates.")]
NO_SHADOW = "The candidate was not scored in a champion's shadow: there is no champion, or TRAILGUARD_SHADOW_DAYS is 0."
app = new_app()


@stage(app)
def plan_challenger(start: Start, end: End) -> dict:
    """As plan-shards, of the challenger; no shard where nobody is in the champion's shadow on that day."""
    from ml.registry.model_registry import CHALLENGER, CHAMPION

    registry, acting = candidates(), production().find_version(CHAMPION)
    version = registry.find_version(CHALLENGER)
    nobody = {"threshold_id": "", "shards": []}
    if not acting or not version or Interval.parse(start, end) not in _period(registry, version):
        return nobody
    if production().find_copy(ModelVersion(registry.name, version)) == acting:
        return nobody
    return plan(registry, version, start, end)


@stage(app)
def publish_shadow(start: Start, end: End, threshold_id: ThresholdId, dag_run_id: DagRunId = "") -> dict:
    """Publish the interval again, with what the challenger would flag as shadow rows beside the champion's flags."""
    from dataclasses import asdict

    interval, publishes = Interval.parse(start, end), publisher()
    standing = publishes.store.standing(interval)
    publishes.lake.write_shadow(interval, threshold_id)
    threshold = publishes.thresholds.find(standing.threshold_id)
    return asdict(publishes.publish(interval, threshold, dag_run_id or None, again=True))


@stage(app)
def check_shadow(version: Candidate) -> dict:
    """On which days of its shadow period the candidate is still to be scored; superseded: a newer one has its alias."""
    from ml.registry.model_registry import CHALLENGER

    registry = candidates()
    missing = [ds for ds, threshold in _decided(registry, version).items() if threshold is None]
    return {"missing": missing, "superseded": registry.find_version(CHALLENGER) != version}


@stage(app)
def report_agreement(version: Candidate) -> dict:
    """Where champion and candidate agreed in its shadow period, beside the labels that were known by its end."""
    from ml.evaluation.agreement import Agreement
    from ml.ingest.label_store import LabelStore
    from ml.training.verdicts import find_anomalous

    chosen, registry, publishes = settings(), candidates(), publisher()
    decided = _decided(registry, version)
    if not decided:
        return {"report": NO_SHADOW}
    missing = [ds for ds, threshold in decided.items() if threshold is None]
    if missing:
        raise InputAbsent(shadow=version, days=", ".join(missing))
    days = list(_period(registry, version))
    known_by = days[-1].end
    labels = LabelStore(chosen.database_url).known_at(known_by)
    anomalous = find_anomalous(chosen.lake / "events", labels, as_of=known_by)["user_id"].combine_chunks()
    runs = [publishes.store.standing(day) for day in days]
    agreement = Agreement.of(publishes.lake, runs, decided[days[-1].ds], anomalous)
    folder = chosen.lake / "shadow" / registry.name / version
    agreement.write(folder)
    registry.client.log_artifacts(registry.run_id(version), str(folder), "shadow")
    return {"report": agreement.describe(), "path": folder}


def _decided(registry: "ModelRegistry", version: str) -> "dict[str, Threshold | None]":
    """The candidate's threshold on each day of its shadow period, None where it has not decided; no day where there
    is no champion."""
    from ml.registry.model_registry import CHAMPION

    publishes, candidate = publisher(), ModelVersion(registry.name, version)
    days = _period(registry, version) if production().find_version(CHAMPION) else ()
    names = {day.ds: publishes.lake.read_shadow(day) for day in days}
    found = {ds: name and publishes.thresholds.find(name) for ds, name in names.items()}
    return {ds: threshold if threshold and threshold.model == candidate else None for ds, threshold in found.items()}


def _period(registry: "ModelRegistry", version: str) -> "FirstDays":
    from ml.scoring.first_days import FirstDays

    return FirstDays(parse_time(registry.tags(version)["as_of"]), settings().shadow_days)
