"""No version acts without a threshold that keeps the policy: what the gate says of the newest answer."""

from ml.contracts.flags import Threshold
from ml.errors import TrailguardError


class PolicyNotKept(TrailguardError):
    """No threshold of the challenger keeps the policy, so nobody is asked to promote it.

    The champion stays. Run choose_threshold for the version when more labels have matured, or with a milder policy.
    """


def require_threshold(threshold: Threshold) -> None:
    """Raises PolicyNotKept, with how far off the nearest threshold is."""
    if threshold.value is None:
        raise PolicyNotKept(version=threshold.model_version, told=threshold.shortfall.rstrip("."))


def threshold_result(threshold: Threshold) -> dict[str, object]:
    """For the ledger, beside the other gates' results."""
    promised = {"limit": threshold.guarantee, "confidence": threshold.confidence}
    found = {"threshold_id": threshold.threshold_id, "value": threshold.value, "bounds": _bounds(threshold)}
    return {"gate": {"name": "keeps the policy", **promised}, "estimate": found, "passed": True}


def describe_threshold(threshold: Threshold) -> str:
    """Markdown for the person who decides."""
    told = ", ".join(f"{name.replace('_', ' ')} {bound:.3f}" for name, bound in _bounds(threshold).items())
    return (
        f"Threshold **{threshold.value:.4f}** keeps {threshold.guarantee} with {threshold.confidence:.0%} confidence; "
        f"the worst that this leaves open is {told}."
    )


def _bounds(threshold: Threshold) -> dict[str, float]:
    return threshold.calibration_data["chosen"]["bounds"]
