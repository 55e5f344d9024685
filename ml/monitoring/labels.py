"""Whether labels of late are unlike those that the model was trained on: how many come, and of which kinds."""

from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import chi2_contingency, poisson

from ml.monitoring.alert import Alert, AlertKind

WINDOW = timedelta(days=7)  # of late
CERTAIN = 0.001  # a difference that chance makes less often than this
SHARE = 0.2  # of the labelled users would have to be of another kind
RATE = 2.0  # times as many, or as few
FEWEST_NEW = 5  # users of a kind that training did not know


def find_label_drift(labels: pa.Table, *, trained_as_of: datetime, at: datetime) -> list[Alert]:
    """Of the users called anomalous in the WINDOW before `at`, beside those before trained_as_of.

    labels: LABEL_SCHEMA, observed before `at`. Each user counts once, by what was said of them first.
    """
    anomalous = labels.filter(pc.equal(labels["label"], 1)).sort_by("observed_at")
    first = anomalous.group_by("user_id", use_threads=False).aggregate([("observed_at", "first"), ("kind", "first")])
    seen = first["observed_at_first"]
    before = first.filter(pc.less(seen, pa.scalar(trained_as_of, seen.type)))
    late = first.filter(pc.greater_equal(seen, pa.scalar(max(at - WINDOW, trained_as_of), seen.type)))
    if not len(before):
        return []
    found = [_rate(before, late, trained_as_of, at), *_kinds(_count(before), _count(late))]
    return [one for one in found if one]


def _count(users: pa.Table) -> Counter[str]:
    return Counter(users["kind_first"].to_pylist())


def _rate(before: pa.Table, late: pa.Table, trained_as_of: datetime, at: datetime) -> Alert | None:
    """Exact by Poisson's law, at the rate before."""
    day = timedelta(days=1)
    days_before = (trained_as_of - pc.min(before["observed_at_first"]).as_py()) / day
    days = min(WINDOW, at - trained_as_of) / day
    if min(days_before, days) < 1:
        return None
    usual, found = len(before) / days_before * days, len(late)
    chance = 2 * min(poisson.cdf(found, usual), poisson.sf(found - 1, usual))
    far = found > RATE * usual or found < usual / RATE
    told = f"{found} users called anomalous in {days:.0f} days, {usual:.1f} were usual"
    return Alert(AlertKind.LABEL_DRIFT, "rate", told) if far and chance < CERTAIN else None


def _kinds(before: Counter[str], late: Counter[str]) -> list[Alert]:
    new = {kind: users for kind, users in late.items() if kind not in before and users >= FEWEST_NEW}
    found = [
        Alert(AlertKind.NEW_KIND, kind, f"{users} users of kind {kind}, which training did not know")
        for kind, users in new.items()
    ]
    kinds = sorted({*before, *late} - set(new))
    table = np.array([[before[kind] for kind in kinds], [late[kind] for kind in kinds]])
    if len(kinds) < 2 or not table.sum(axis=1).all():
        return found
    shares = table / table.sum(axis=1, keepdims=True)
    moved = np.abs(shares[0] - shares[1]).sum() / 2
    if moved > SHARE and chi2_contingency(table).pvalue < CERTAIN:
        most = kinds[int(np.argmax(np.abs(shares[1] - shares[0])))]
        known, usual = int(table[1].sum()), shares[0][kinds.index(most)]
        told = (
            f"kinds have changed places by {moved:.0%}: {most} {late[most]} of {known}, {usual * known:.1f} were usual"
        )
        found.append(Alert(AlertKind.LABEL_DRIFT, "kinds", told))
    return found
