"""The days that follow what a training learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml.contracts.intervals import DAY, Interval


@dataclass(frozen=True)
class FirstDays:
    """Whole days, the first of which begins at as_of or next after it: what the model says of them it has not learned
    from.

    as_of: of the training.
    """

    as_of: datetime
    days: int

    def __contains__(self, interval: Interval) -> bool:
        return self._start <= interval.start < self._start + self.days * DAY

    def __iter__(self) -> Iterator[Interval]:
        for day in range(self.days):
            yield Interval.day(self._start + day * DAY)

    @property
    def _start(self) -> datetime:
        return Interval.day(self.as_of + DAY - timedelta(microseconds=1)).start
