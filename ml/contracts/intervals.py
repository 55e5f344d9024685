"""Half-open UTC intervals, the only way Trailguard speaks of time spans."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml.errors import ExitCode, TrailguardError

DAY = timedelta(days=1)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)  # of everything a contract holds


class IntervalInvalid(TrailguardError):
    """An interval must start before it ends.

    Intervals are half-open: [start, end).
    """

    exit_code = ExitCode.USAGE


class TimeUnreadable(TrailguardError):
    """A point in time could not be read, or lies outside the years 1970 to 2100.

    Write it as ISO 8601, for example 2014-03-01 or 2014-03-01T06:00:00Z.
    """

    exit_code = ExitCode.USAGE


def parse_time(text: str) -> datetime:
    """Reads an ISO 8601 date or time; one without a zone is UTC. Raises TimeUnreadable."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeUnreadable(text=repr(text)) from None
    if not EARLIEST <= moment <= LATEST:
        raise TimeUnreadable(text=repr(text))
    return moment


@dataclass(frozen=True, order=True)
class Interval:
    """[start, end) in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise IntervalInvalid(start=self.start.isoformat(), end=self.end.isoformat())

    @classmethod
    def parse(cls, start: str, end: str) -> "Interval":
        return cls(parse_time(start), parse_time(end))

    @classmethod
    def day(cls, moment: datetime) -> "Interval":
        """The UTC day that holds the moment."""
        start = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(start, start + DAY)

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def __str__(self) -> str:
        return f"[{self.start.isoformat()}, {self.end.isoformat()})"

    def days(self) -> Iterator["Interval"]:
        """The UTC days that the interval touches, oldest first, whole days all."""
        day = Interval.day(self.start)
        while day.start < self.end:
            yield day
            day = Interval(day.end, day.end + DAY)

    @property
    def ds(self) -> str:
        """The partition's date, YYYY-MM-DD, of the interval's start."""
        return self.start.date().isoformat()
