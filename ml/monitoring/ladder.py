"""What is done about alerts: the gentlest answer that may help, and the next stronger one where it did not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ml.monitoring.alert import Alert, AlertKind

SETTLING = timedelta(days=2)  # an answer is given time to act
PATIENCE = timedelta(days=7)  # within which the same trouble is not answered the same way again


class Action(StrEnum):
    """From the gentlest to the strongest."""

    NOTHING = "nothing"
    RECALIBRATE = "recalibrate"  # another threshold for the same version
    RETRAIN = "retrain"  # another version


ANSWERS = {
    AlertKind.OVER_BUDGET: Action.RECALIBRATE,
    AlertKind.SCORE_DRIFT: Action.RECALIBRATE,
    AlertKind.PROMISE_BROKEN: Action.RECALIBRATE,
    AlertKind.FEATURE_DRIFT: Action.RETRAIN,
    AlertKind.LABEL_DRIFT: Action.RETRAIN,
    AlertKind.NEW_KIND: Action.RETRAIN,
}
_RUNGS = list(Action)


@dataclass(frozen=True)
class Decision:
    """at: the end of the interval that was looked at. reason: for people, with the alerts that led to it."""

    at: datetime
    action: Action
    reason: str


def decide_action(alerts: Sequence[Alert], earlier: Sequence[Decision], *, at: datetime) -> Decision:
    """earlier: decisions about the same champion, at earlier moments, in any order."""
    if not alerts:
        return Decision(at, Action.NOTHING, "nothing is wrong")
    told = "; ".join(f"{alert.kind} ({alert.told})" for alert in alerts)
    taken = sorted((one for one in earlier if one.action != Action.NOTHING and one.at < at), key=lambda one: one.at)
    if taken and at - taken[-1].at < SETTLING:
        last = taken[-1]
        return Decision(at, Action.NOTHING, f"{told}: {last.action} of {last.at.date()} is given time to act")
    answer = max((ANSWERS[alert.kind] for alert in alerts), key=_RUNGS.index)
    tried = [one.action for one in taken if at - one.at < PATIENCE]
    if answer in tried:
        stronger = _RUNGS[min(_RUNGS.index(answer) + 1, len(_RUNGS) - 1)]
        return Decision(at, stronger, f"{told}: {answer} within {PATIENCE.days} days has not ended it")
    return Decision(at, answer, told)
