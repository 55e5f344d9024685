"""What was chosen, as the table `threshold` keeps it."""

from dataclasses import asdict
from datetime import datetime

from ml.calibration.candidate import Labelled
from ml.calibration.threshold import METHOD, Choice
from ml.contracts.flags import Threshold
from ml.contracts.model_version import ModelVersion
from ml.files import content_id


def record_choice(
    choice: Choice,
    earlier: Labelled,
    later: Labelled,
    *,
    model: ModelVersion,
    label_as_of: datetime,
    valid_from: datetime,
    dag_run_id: str | None,
) -> Threshold:
    """earlier, later: who proposed and who decided.

    The id follows from the content: the same choice of the same DAG run has the same id.
    """
    missing = choice.shortfall
    facts = {
        "model_name": model.name,
        "model_version": model.version,
        "label_as_of": label_as_of,
        "value": choice.chosen.value if choice.chosen else None,
        "shortfall": str(missing) if missing else None,
        "method": METHOD,
        "guarantee": str(choice.policy),
        "confidence": choice.policy.confidence,
        "calibration_data": {
            "policy": asdict(choice.policy),
            "proposed_by": _count(earlier),
            "decided_by": _count(later),
            "accepted": len(choice.accepted),
            "chosen": choice.chosen and choice.chosen.told(choice.policy),
            "refused": choice.refused and choice.refused.told(choice.policy),
            "users_needed": missing and missing.users_needed,
        },
        "valid_from": valid_from,
        "dag_run_id": dag_run_id,
    }
    return Threshold(threshold_id=f"{model.name}-{model.version}-{content_id(facts)}", **facts)


def _count(users: Labelled) -> dict[str, int]:
    return {"users": len(users.labels), "anomalous": int(users.labels.sum())}
