"""What a threshold must promise, and how likely the promise must hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """precision_floor: least share of flagged users that are anomalous.
    fpr_ceiling: largest share of good users that are flagged.
    alert_budget: largest share of all users that are.
    confidence: probability that all three hold together.
    """

    precision_floor: float
    fpr_ceiling: float
    alert_budget: float
    confidence: float

    @property
    def risk(self) -> float:
        """The probability with which a promise may turn out broken."""
        return 1 - self.confidence

    @property
    def false_alarm_cost(self) -> float:
        """How many missed users one good user who is flagged costs: as many as make the precision floor worth it."""
        return self.precision_floor / (1 - self.precision_floor)

    def __str__(self) -> str:
        return (
            f"precision >= {self.precision_floor:g}, false positive rate <= {self.fpr_ceiling:g}, "
            f"flagged share <= {self.alert_budget:g}"
        )
