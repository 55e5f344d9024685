"""What a promotion is about, what it waits for, and what it hands on: the gate's figures and who approved."""

import json
import logging
from collections.abc import Mapping

from airflow.sdk.exceptions import AirflowSkipException
from trailguard_stage import run_stage

from ml.contracts.model_version import NOBODY

log = logging.getLogger(__name__)


def check(version: str | None, asset_events: Mapping) -> dict:
    """Runs the stage check-gate.

    version: whom a person named. asset_events: what else started the DAG run; of several candidates, the newest counts.
    """
    told = [event.extra for events in asset_events.values() for event in events]
    named = [extra["version"] for extra in told if "version" in extra]  # an event that a person creates tells none
    return run_stage("check-gate", version=version or max(named, key=int, default=""))


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
        against=gate["champion"] or NOBODY,
        dag_run_id=dag_run_id,
    )
