"""What a promotion hands on: the gate's figures and the name of whoever approved."""

import json

from trailguard_stage import run_stage


def promote(gate: dict, approval: dict, dag_run_id: str) -> dict:
    """Runs the stage promote-model as the promoter.

    gate: what check_gate returned. approval: the ApprovalOperator's answer.
    """
    person = (approval.get("responded_by_user") or {}).get("name", "unknown")
    results = json.dumps(gate["results"])
    return run_stage(
        "promote-model",
        account="promoter",
        version=gate["version"],
        approved_by=person,
        gate_results=results,
        dag_run_id=dag_run_id,
    )
