"""Stages that decide whether the challenger becomes the champion, and that take it back."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.stage import DagRunId, Version, new_app, stage
from ml.commands.train import load_trained_on
from ml.settings import settings

if TYPE_CHECKING:
    from ml.registry.champion import Champion

app = new_app()


@stage(app)
def check_gate() -> dict:
    """Measure challenger and champion on the challenger's frozen test slice; refuse a challenger that does harm."""
    from ml.evaluation.gates import check_gates, describe_gates, require_open
    from ml.evaluation.rivals import compare_rivals
    from ml.evaluation.threshold_gate import describe_threshold, require_threshold, threshold_result
    from ml.flags.thresholds import ThresholdStore
    from ml.registry.model_registry import CHALLENGER, CHAMPION, ModelRegistry

    chosen = settings()
    registry = ModelRegistry(chosen.mlflow_tracking_uri, chosen.model_name)
    version, champion = registry.version_of(CHALLENGER), registry.find_version(CHAMPION)
    threshold = ThresholdStore(chosen.database_url).newest(chosen.model_name, version)
    require_threshold(threshold)
    bundles = {name: registry.fetch(v, chosen.lake / "models") for name, v in _rivals(version, champion).items()}
    snapshot = load_trained_on(registry.tags(version))
    test = snapshot.slice("test")
    results = check_gates(compare_rivals(bundles, test))
    require_open(results)
    measured = describe_gates(results, version=version, champion=champion, users=len(test))
    return {
        "version": version,
        "champion": champion,
        "erased_since_training": snapshot.erased,
        "results": [*(result.to_dict() for result in results), threshold_result(threshold)],
        "report": f"{measured}\n\n{describe_threshold(threshold)}",
    }


@stage(app)
def promote_model(
    version: Version,
    approved_by: Annotated[str, typer.Option(help="Who decided.")],
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "passed the gate and was approved",
    gate_results: Annotated[str, typer.Option(help="What the gate measured, as JSON.")] = "[]",
    dag_run_id: DagRunId = "",
) -> dict:
    """Write the promotion ledger and point the alias `champion` at the version."""
    import json

    return _champion().move(
        version,
        decided_by=approved_by,
        reason=reason,
        gate_results=json.loads(gate_results),
        dag_run_id=dag_run_id or None,
    )


@stage(app)
def rollback_model(
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")],
    decided_by: Annotated[str, typer.Option(help="Who decided.")],
    to: Annotated[str, typer.Option(help="Version to act from now on; the champion before this one by default.")] = "",
    dag_run_id: DagRunId = "",
) -> dict:
    """Point the alias `champion` back at the version before, and write the promotion ledger."""
    champion, run = _champion(), dag_run_id or None
    version = to or champion.version_before(dag_run_id=run)
    champion.registry.require(version)  # before anything is written
    return champion.move(version, decided_by=decided_by, reason=reason, gate_results=[], dag_run_id=run)


def _champion() -> "Champion":
    from ml.registry.champion import Champion
    from ml.registry.ledger import PromotionLedger
    from ml.registry.model_registry import ModelRegistry

    chosen = settings()
    registry = ModelRegistry(chosen.mlflow_tracking_uri, chosen.model_name)
    return Champion(registry, PromotionLedger(chosen.database_url))


def _rivals(version: str, champion: str | None) -> dict[str, str]:
    return {"challenger": version} | ({"champion": champion} if champion else {})
