"""The flag contract: decisions about users and events, the run that made them and the threshold it used."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

import pyarrow as pa

from ml.contracts.events import TIME
from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
from ml.files import content_id

VERSION = 3


class State(StrEnum):
    """What a flag does."""

    ACTIVE = "active"  # the recommender sees it
    HOLDOUT = "holdout"  # as certain, but held out: never acted on, so that precision can be estimated without bias
    SHADOW = "shadow"  # flagged by a challenger, below the champion's threshold: recorded, never acted on
    CLEARED = "cleared"  # flagged earlier, below the threshold in this interval; derived, never handed in


_DECISION = [
    pa.field("interval_start", TIME, nullable=False),
    pa.field("interval_end", TIME, nullable=False),
    pa.field("state", pa.string(), nullable=False),  # State
    pa.field("score", pa.float64(), nullable=False),  # calibrated probability of being anomalous, in [0, 1]
    pa.field("threshold", pa.float64(), nullable=False),  # of the same unit
    pa.field("rank", pa.int32()),  # 1 is the most anomalous of the interval; absent for cleared rows
    pa.field("reason_codes", pa.string(), nullable=False),  # JSON: [{"code", "contribution", "value", "typical"}, ...]
    pa.field("model_name", pa.string(), nullable=False),
    pa.field("model_version", pa.string(), nullable=False),
    pa.field("threshold_id", pa.string(), nullable=False),
    pa.field("label_as_of", TIME, nullable=False),  # labels observed before it trained the model
    pa.field("dag_run_id", pa.string()),
]

# What a run hands in. The store adds expires_at and published_at.
FLAG_SCHEMA = pa.schema([pa.field("user_id", pa.string(), nullable=False), *_DECISION])
EVENT_FLAG_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("event_time", TIME, nullable=False),
        *_DECISION,
    ]
)
NO_REASONS = "[]"


@dataclass(frozen=True)
class Threshold:
    """What was chosen as an operating point of one model version; the same id always means the same threshold."""

    threshold_id: str
    model_name: str
    model_version: str
    label_as_of: datetime  # labels observed before it trained the model version
    value: float | None  # calibrated score, in [0, 1]; None where none keeps the policy
    shortfall: str | None  # why there is none
    method: str  # how it was chosen
    guarantee: str  # what is promised, for example "precision >= 0.9"
    confidence: float | None  # probability with which the guarantee holds
    calibration_data: dict[str, object]  # which users it was chosen on
    valid_from: datetime  # labels observed before it decided; it is for intervals that end at or after it
    dag_run_id: str | None = None

    @property
    def model(self) -> ModelVersion:
        return ModelVersion(self.model_name, self.model_version)

    def handed_to(self, copy: ModelVersion) -> "Threshold":
        """The same operating point, for a version that is a copy of this one's."""
        origin = {"copied_from": self.threshold_id}
        return replace(
            self,
            threshold_id=f"{copy.name}-{copy.version}-{content_id(origin)}",
            model_name=copy.name,
            model_version=copy.version,
            calibration_data=self.calibration_data | origin,
        )


@dataclass(frozen=True)
class ScoringRun:
    """One interval scored by the acting model version."""

    interval: Interval
    model_name: str
    model_version: str
    threshold_id: str
    threshold: float
    label_as_of: datetime
    users_scored: int  # who got a score
    duration: timedelta
    score_quantiles: dict[str, float] = field(default_factory=dict)  # {"p50": 0.01, ...}
    dag_run_id: str | None = None
    users_too_short: int = 0  # without a score: Evidence.TOO_SHORT
    users_too_unlike: int = 0  # without a score: Evidence.TOO_UNLIKE

    @property
    def model(self) -> ModelVersion:
        return ModelVersion(self.model_name, self.model_version)
