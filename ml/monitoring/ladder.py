"""What is done about alerts: the gentlest answer that may help, and the next stronger one where it did not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ml.monitoring.alert import Alert, AlertKind

SETTLING = timedelta(days=2)  # an answer is given time to act; another version also the days of its shadow
PATIENCE = timedelta(days=7)  # within which the same trouble is not answered the same way again; as above


class Action(StrEnum):
    """From the gentlest to the strongest."""

    NOTHING = "nothing"
    RECALIBRATE = "recalibrate"  # another threshold for the same version
    FINE_TUNE = "fine_tune"  # another version, which goes on from this one
    RETRAIN = "retrain"  # another version, from scratch


ANSWERS = {
    AlertKind.OVER_BUDGET: Action.RECALIBRATE,
    AlertKind.SCORE_DRIFT: Action.RECALIBRATE,
    AlertKind.PROMISE_BROKEN: Action.RECALIBRATE,
    AlertKind.FEATURE_DRIFT: Action.RETRAIN,
    AlertKind.LABEL_DRIFT: Action.FINE_TUNE,
    AlertKind.NEW_KIND: Action.FINE_TUNE,
}
_RUNGS = list(Action)


@dataclass(frozen=True)
class Decision:
    """at: the end of the interval that was looked at. reason: for people, with the alerts that led to it. new_kinds: of
    labels, that alerts named by then; an answer knows of no others."""

    at: datetime
    action: Action
    reason: str
    new_kinds: frozenset[str] = frozenset()


def decide_action(alerts: Sequence[Alert], earlier: Sequence[Decision], *, at: datetime, shadow: timedelta) -> Decision:
    """earlier: decisions about the same champion, at earlier moments, in any order. shadow: how long a new version is
    only watched."""
    if not alerts:
        return Decision(at, Action.NOTHING, "nothing is wrong")
    told = "; ".join(f"{alert.kind} ({alert.told})" for alert in alerts)
    taken = sorted((one for one in earlier if one.action != Action.NOTHING and one.at < at), key=lambda one: one.at)
    acting = [one for one in taken if at - one.at < SETTLING + _watched(one.action, shadow)]
    pressing = [alert for alert in alerts if not any(_will_end(one, alert) for one in acting)]
    if not pressing:
        under_way = f"{acting[-1].action} of {acting[-1].at.date()} is given time to act"
        return Decision(at, Action.NOTHING, f"{told}: {under_way}")
    answer = max((ANSWERS[alert.kind] for alert in pressing), key=_RUNGS.index)
    late = [one for one in taken if at - one.at < PATIENCE + _watched(one.action, shadow)]
    tried = {one.action for one in late if any(_knew_of(one, alert) for alert in pressing)}
    stronger = next((one for one in _RUNGS[_RUNGS.index(answer) :] if one not in tried), _RUNGS[-1])
    if answer in tried:
        told += f": {' and '.join(sorted(tried, key=_RUNGS.index))} of late did not end it"
    return Decision(at, stronger, told)


def _will_end(decision: Decision, alert: Alert) -> bool:
    return _knew_of(decision, alert) and _RUNGS.index(decision.action) >= _RUNGS.index(ANSWERS[alert.kind])


def _knew_of(decision: Decision, alert: Alert) -> bool:
    return alert.kind != AlertKind.NEW_KIND or alert.subject in decision.new_kinds


def _watched(action: Action, shadow: timedelta) -> timedelta:
    return timedelta(0) if action == Action.RECALIBRATE else shadow
