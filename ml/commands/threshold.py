"""The stage that chooses the operating point of a registered version."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import models_folder, registry_of
from ml.commands.stage import AsOf, DagRunId, Model, new_app, stage
from ml.commands.trained import load_learned_from
from ml.contracts.intervals import parse_time
from ml.contracts.model_version import ModelVersion
from ml.settings import settings

if TYPE_CHECKING:
    from ml.calibration.policy import Policy
    from ml.evaluation.peaks import Peaks
    from ml.registry.model_registry import ModelRegistry

app = new_app()


@stage(app)
def choose_threshold(
    as_of: AsOf,
    model: Model = "",
    version: Annotated[str, typer.Option(help="Of that model; the one that acts where none is given.")] = "",
    since: Annotated[
        str, typer.Option(help="Only users first seen from this moment on; all where none is given.")
    ] = "",
    precision_floor: Annotated[str, typer.Option(help="Instead of the setting of this name.")] = "",
    fpr_ceiling: Annotated[str, typer.Option(help="Instead of the setting of this name.")] = "",
    alert_budget: Annotated[str, typer.Option(help="Instead of the setting of this name.")] = "",
    confidence: Annotated[str, typer.Option(help="Instead of the setting of this name.")] = "",
    dag_run_id: DagRunId = "",
) -> dict:
    """Choose the lowest threshold that keeps the policy, by users whom the training has not learned from.

    That none keeps it is an answer as well: it is recorded, and keeps the version from being promoted.
    """
    from ml.calibration.record import record_choice
    from ml.calibration.threshold import choose_threshold as choose
    from ml.evaluation.threshold_plots import plot_threshold
    from ml.flags.thresholds import ThresholdStore
    from ml.registry.model_registry import CHAMPION
    from ml.registry.reports import log_threshold

    chosen, policy = settings(), _policy(precision_floor, fpr_ceiling, alert_budget, confidence)
    registry = registry_of(model or chosen.model_name)
    version = version or registry.version_of(CHAMPION)
    peaks = _peaks(registry, version, as_of)
    earlier, later = (peaks.since(parse_time(since)) if since else peaks).split()
    choice = choose(earlier, later, policy)
    threshold = record_choice(
        choice,
        earlier,
        later,
        model=ModelVersion(registry.name, version),
        label_as_of=parse_time(registry.tags(version)["as_of"]),
        valid_from=parse_time(as_of),
        dag_run_id=dag_run_id or None,
    )
    ThresholdStore(chosen.database_url).record(threshold)
    report = chosen.lake / "thresholds" / threshold.threshold_id
    plot_threshold(report, choice, later)
    log_threshold(registry, threshold, report)
    told = {name: getattr(threshold, name) for name in ("threshold_id", "value", "shortfall", "guarantee")}
    return {"model": registry.name, "version": version, **told, "report": report}


def _peaks(registry: "ModelRegistry", version: str, as_of: str) -> "Peaks":
    """What the version says of those whom its training has not learned from, as they are known by then."""
    from ml.evaluation.peaks import Peaks
    from ml.ingest.label_store import LabelStore
    from ml.scoring.scorer import Scorer
    from ml.training.later import know_later_users

    chosen, moment = settings(), parse_time(as_of)
    snapshot = load_learned_from(registry.tags(version))
    labels = LabelStore(chosen.database_url).known_at(moment)
    sequences = know_later_users(snapshot, chosen.lake / "events", labels, as_of=moment)
    return Peaks.of(Scorer.load(registry.fetch(version, models_folder())), sequences)


def _policy(precision_floor: str, fpr_ceiling: str, alert_budget: str, confidence: str) -> "Policy":
    """The settings', with what is given instead. Raises SettingsInvalid."""
    from ml.calibration.policy import Policy

    given = {
        "precision_floor": precision_floor,
        "fpr_ceiling": fpr_ceiling,
        "alert_budget": alert_budget,
        "confidence": confidence,
    }
    chosen = settings().changed({name: value for name, value in given.items() if value})
    return Policy(**{name: getattr(chosen, name) for name in given})
