"""What can be wrong."""

from dataclasses import dataclass
from enum import StrEnum


class AlertKind(StrEnum):
    FEATURE_DRIFT = "feature_drift"  # the model's inputs are distributed otherwise
    SCORE_DRIFT = "score_drift"  # so are its scores
    LABEL_DRIFT = "label_drift"  # more, fewer or other labels come
    NEW_KIND = "new_kind"  # labels name a kind that training did not know
    PROMISE_BROKEN = "promise_broken"  # matured labels refute the threshold's precision floor
    OVER_BUDGET = "over_budget"  # more users reach the threshold than the alert budget allows to flag


@dataclass(frozen=True)
class Alert:
    """subject: the feature, the kind, the threshold. told: what is wrong, with its figures."""

    kind: AlertKind
    subject: str
    told: str
