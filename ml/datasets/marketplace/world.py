"""What is asked of the simulator, and what it answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from ml.errors import ExitCode, TrailguardError

FAMILIES = ("scraper", "click_farm", "brushing", "coattail", "takeover", "burst")
_SHARES = ("anomalous_share", "stealth", "detection", "dirt")


class WorldImpossible(TrailguardError):
    """A world cannot be simulated as asked.

    Shares and stealth lie in [0, 1]; there are at least 10 shoppers, 100 items and 7 days; FAMILIES names the families,
    and what happens on a day happens within the period.
    """

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class World:
    """A shop, its shoppers and those who abuse it. The same world is always the same bytes.

    shoppers: users who do at least one thing in the period.
    items: the catalogue's size.
    start, days: the period, in whole UTC days.
    anomalous_share: of the shoppers, divided evenly among `families`.
    stealth: 0 careless attackers, 1 attackers whose every marginal is that of honest shoppers.
    detection: the probability that a misdeed is ever found out and labelled.
    dirt: repeated and malformed rows, as a share of the events.
    arrivals: family -> the day, from 0 on, from which its accounts sign up, all of them within days; the others are
        there all through the period.
    app_day: from that day on whoever comes on a mobile device comes by the app; None: as they please.
    """

    shoppers: int = 12_000
    items: int = 4_000
    start: date = date(2026, 5, 4)
    days: int = 75
    seed: int = 7
    anomalous_share: float = 0.12
    stealth: float = 0.65
    families: tuple[str, ...] = FAMILIES
    detection: float = 1.0
    dirt: float = 0.001
    arrivals: Mapping[str, int] = field(default_factory=dict)
    app_day: int | None = None

    def __post_init__(self) -> None:
        sizes = {"shoppers": 10, "items": 100, "days": 7}
        wrong = {name for name, least in sizes.items() if getattr(self, name) < least}
        wrong |= {name for name in _SHARES if not 0 <= getattr(self, name) <= 1}
        if len(set(self.families)) < len(self.families) or not set(self.families) <= set(FAMILIES):
            wrong.add("families")
        if not set(self.arrivals) <= set(self.families) or not self._in_period(*self.arrivals.values()):
            wrong.add("arrivals")
        if self.app_day is not None and not self._in_period(self.app_day):
            wrong.add("app_day")
        if wrong:
            raise WorldImpossible(**{name: getattr(self, name) for name in sorted(wrong)})

    @property
    def midnight(self) -> datetime:
        """The period's first moment."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)

    def day(self, number: int) -> date:
        return self.start + timedelta(days=number)

    def _in_period(self, *days: int) -> bool:
        return all(0 <= day < self.days for day in days)

    def careless(self, crude: float, careful: float) -> float:
        """A setting of the attackers between its careless and its careful value, on the scale of ratios."""
        return math.exp((1 - self.stealth) * math.log(crude) + self.stealth * math.log(careful))


@dataclass(frozen=True)
class Summary:
    """What was written; `rows` counts the events files' lines, dirt included, without headers."""

    events: int
    rows: int
    labels: int
    shoppers: dict[str, int]  # "honest" or a family's name -> shoppers
