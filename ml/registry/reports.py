"""The reports of a training as MLflow artifacts, linked from the model's version."""

import json
from pathlib import Path

import mlflow
from mlflow.entities import RunInfo

from ml.contracts.flags import Threshold
from ml.registry.model_registry import ModelRegistry

COMPARISON, REPORT, THRESHOLDS = "comparison", "report", "thresholds"  # artifact paths
PAGE, FACTS = "report.html", "report.json"  # of a comparison; its predictions name users and stay in the lake
FIRST_LINES = 3


def log_reports(report: Path, comparison: Path) -> dict[str, str]:
    """Logs both to the active MLflow run, the comparison where there is one.

    Returns: the version's tag -> artifact path.
    report: what evaluate-model wrote. comparison: what compare-models wrote, if it ran.
    """
    mlflow.log_artifacts(str(report), REPORT)
    tags = {"training_report": REPORT}
    if (comparison / FACTS).is_file():
        for name in (PAGE, FACTS):
            mlflow.log_artifact(str(comparison / name), COMPARISON)
        tags["comparison_report"] = f"{COMPARISON}/{PAGE}"
    return tags


def describe_version(heading: str, run: RunInfo, tags: dict[str, str], comparison: Path) -> str:
    """Markdown: a link to each report in MLflow's own pages, and what the comparison concluded.

    tags: from `log_reports`.
    """
    links = {tag: f"#/experiments/{run.experiment_id}/runs/{run.run_id}/artifacts/{path}" for tag, path in tags.items()}
    parts = [heading, *(f"[{tag.replace('_', ' ').capitalize()}]({link})" for tag, link in links.items())]
    if "comparison_report" in tags:
        concluded = json.loads((comparison / FACTS).read_text())["conclusions"]
        parts.append("\n".join(f"- {line}" for line in concluded[:FIRST_LINES]))
    return "\n\n".join(parts)


def log_threshold(registry: ModelRegistry, threshold: Threshold, report: Path) -> None:
    """Puts the pictures beside the version's training, and the newest answer into the tags of its run.

    Not of the version: who may choose the threshold of a version in production need not be able to change it.
    """
    run_id = registry.run_id(threshold.model_version)
    path = f"{THRESHOLDS}/{threshold.threshold_id}"
    registry.client.log_artifacts(run_id, str(report), path)
    told = "none" if threshold.value is None else f"{threshold.value:.4f}"
    tags = {"threshold": told, "threshold_guarantee": threshold.guarantee, "threshold_report": path}
    for name, value in tags.items():
        registry.client.set_tag(run_id, name, value)
