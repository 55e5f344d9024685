"""Whether a day is unlike the days on which the model was approved: which of its inputs, or its scores.

A distance alone says little: with enough users every difference is certain, and weekdays differ. So a distance counts
where it is large in itself and larger than the days of the reference are from each other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from ml.monitoring.alert import Alert, AlertKind
from ml.monitoring.day import Day

FLOOR = 0.15  # of 1: three users in twenty would have to change; a weekend beside working days comes to 0.1
TIMES = 2.0  # as far as the reference's days are from each other
FEWEST_DAYS = 2  # of a reference, for its days to be compared with each other
MOST_TOLD = 3

Distance = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Drift:
    """distance: of the day from the reference, in [0, 1]. usual: the largest of a day of the reference from its
    others."""

    name: str
    distance: float
    usual: float

    @property
    def drifted(self) -> bool:
        return self.distance > max(FLOOR, TIMES * self.usual)

    def __str__(self) -> str:
        return f"{self.name} by {self.distance:.2f} where {self.usual:.2f} is usual"


def find_usual(days: dict[str, Day]) -> dict[str, Day]:
    """Those that did not drift from the usual ones before them: what drifted is no reference for what comes after it.

    days: name -> day, the oldest first.
    """
    usual: dict[str, Day] = {}
    for name, day in days.items():
        if not find_drift(list(usual.values()), day):
            usual[name] = day
    return usual


def find_drift(reference: list[Day], today: Day) -> list[Alert]:
    """At most one alert about the model's inputs and one about its scores.

    reference: the days on which the model was approved; with fewer than FEWEST_DAYS nothing can be said yet.
    """
    if len(reference) < FEWEST_DAYS:
        return []
    compared = [
        *(_compare(name, [day.numbers[name] for day in reference], today.numbers[name], ks) for name in today.numbers),
        *(
            _compare(name, [day.codes[name] for day in reference], today.codes[name], total_variation)
            for name in today.codes
        ),
    ]
    drifted = sorted((one for one in compared if one.drifted), key=lambda one: -one.distance)
    found = []
    if drifted:
        told = f"{len(drifted)} of {len(compared)} inputs: {', '.join(map(str, drifted[:MOST_TOLD]))}"
        found.append(Alert(AlertKind.FEATURE_DRIFT, drifted[0].name, told))
    score = _compare("score", [day.scores for day in reference], today.scores, ks)
    return found + ([Alert(AlertKind.SCORE_DRIFT, score.name, str(score))] if score.drifted else [])


def _compare(name: str, reference: list[np.ndarray], today: np.ndarray, distance: Distance) -> Drift:
    usual = [
        distance(day, np.concatenate([*reference[:place], *reference[place + 1 :]]))
        for place, day in enumerate(reference)
    ]
    return Drift(name, distance(today, np.concatenate(reference)), max(usual))


def ks(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference between two distribution functions (Kolmogorov, Smirnov); 0 where one has no value."""
    return float(ks_2samp(a, b, method="asymp").statistic) if len(a) and len(b) else 0.0


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the sum of the differences between the shares of each code; 0 where one has no value."""
    if not len(a) or not len(b):
        return 0.0
    size = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(codes, minlength=size) / len(codes) for codes in (a, b)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
