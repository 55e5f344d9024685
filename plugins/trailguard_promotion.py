"""What a promotion waits for, and what it hands on: the gate's figures and the name of whoever approved."""

import json
import logging

from airflow.sdk.exceptions import AirflowSkipException
from trailguard_stage import run_stage

log = logging.getLogger(__name__)


def is_shadow_over(gate: dict) -> bool:
    """True once the challenger was scored beside the champion on every day of its shadow period.

    gate: what check_gate returned. Raises AirflowSkipException where another challenger took its place.
    """
    found = run_stage("check-shadow", version=gate["version"])
    if found["superseded"]:
        raise AirflowSkipException(f"candidate {gate['version']} is no longer the challenger")
    log.info("days still to be scored in the champion's shadow: %s", ", ".join(found["missing"]) or "none")
    return not found["missing"]


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
