"""Stages that decide whether a candidate becomes the champion, and that take it back."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import candidates, models_folder, production
from ml.commands.stage import DagRunId, new_app, stage
from ml.commands.trained import load_learned_from
from ml.contracts.model_version import ModelVersion
from ml.settings import settings

if TYPE_CHECKING:
    from ml.registry.champion import Champion

app = new_app()


@stage(app)
def check_gate(
    version: Annotated[str, typer.Option(help="Of the candidates; the newest one where none is given.")] = "",
) -> dict:
    """Measure candidate and champion on the candidate's frozen test slice; who does no harm becomes challenger."""
    from ml.evaluation.gates import check_gates, describe_gates, require_open
    from ml.evaluation.rivals import compare_rivals
    from ml.evaluation.threshold_gate import describe_threshold, require_threshold, threshold_result
    from ml.flags.thresholds import ThresholdStore
    from ml.registry.model_registry import CHALLENGER, CHAMPION

    registry, acting, folder = candidates(), production(), models_folder()
    version, champion = version or registry.newest_version(), acting.find_version(CHAMPION)
    threshold = ThresholdStore(settings().database_url).newest(registry.name, version)
    require_threshold(threshold)
    bundles = {"challenger": registry.fetch(version, folder)}
    if champion:
        bundles["champion"] = acting.fetch(champion, folder)
    snapshot = load_learned_from(registry.tags(version))
    test = snapshot.slice("test")
    results = check_gates(compare_rivals(bundles, test))
    require_open(results)
    registry.move_alias(CHALLENGER, version)
    measured = describe_gates(results, version=version, champion=champion, users=len(test))
    return {
        "version": version,
        "champion": champion,
        "erased_since_training": snapshot.erased,
        "results": [*(result.to_dict() for result in results), threshold_result(threshold)],
        "report": f"{measured}\n\n{describe_threshold(threshold)}",
    }


@stage(app, turn="champion")
def promote_model(
    version: Annotated[str, typer.Option(help="Of the candidates.")],
    approved_by: Annotated[str, typer.Option(help="Who decided.")],
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "passed the gate and was approved",
    gate_results: Annotated[str, typer.Option(help="What the gate measured, as JSON.")] = "[]",
    against: Annotated[
        str, typer.Option(help="Champion that the gate compared it with, or `nobody`; refused where another acts now.")
    ] = "",
    dag_run_id: DagRunId = "",
) -> dict:
    """Copy the candidate into production with its threshold, and point the alias `champion` at the copy."""
    import json

    from ml.evaluation.threshold_gate import require_threshold
    from ml.flags.thresholds import ThresholdStore

    candidate, champion = ModelVersion(candidates().name, version), _champion()
    thresholds = ThresholdStore(settings().database_url)
    threshold = thresholds.newest(*candidate)
    require_threshold(threshold)
    copy = ModelVersion(champion.registry.name, champion.registry.adopt(candidate))
    thresholds.record(threshold.handed_to(copy))
    moved = champion.move(
        copy.version,
        decided_by=approved_by,
        reason=reason,
        gate_results=json.loads(gate_results),
        dag_run_id=dag_run_id or None,
        against=against,
    )
    return {"candidate": version, **moved}


@stage(app, turn="champion")
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

    return Champion(production(), PromotionLedger(settings().database_url))
