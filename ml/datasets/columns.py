"""How one column of a contract is filled from a data file: by a column of the file or by a constant."""

import re
from datetime import date, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from ml.contracts.events import Kind

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Days = Annotated[int, Field(ge=0, le=36_500)]
NAMED_TIME_FORMATS = ("iso8601", "epoch_seconds", "epoch_milliseconds")


def _held_by_contract(value: str) -> str:
    if not value.strip() or re.search(r"[\x00-\x1f\x7f-\x9f]", value):
        raise ValueError("a value is neither blank nor holds control characters")
    return value


Value = Annotated[Name, AfterValidator(_held_by_contract)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ColumnOrValue(Strict):
    column: Name | None = None

    @model_validator(mode="after")
    def one_source(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("give a column of the file or a constant value, one of the two")
        return self


class TextColumn(_ColumnOrValue):
    """values: maps the file's texts to the contract's; a text that it lacks breaks the contract."""

    value: Value | None = None
    values: Annotated[dict[str, Value], Field(min_length=1)] | None = None


class NumberColumn(_ColumnOrValue):
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None


class VerdictColumn(_ColumnOrValue):
    """values: maps the file's texts to 1 (anomalous) and 0 (reviewed and found good)."""

    value: Literal["0", "1"] | None = None
    values: Annotated[dict[str, Literal["0", "1"]], Field(min_length=1)] = {"1": "1", "0": "0"}


class TimeColumn(Strict):
    """format: iso8601, epoch_seconds, epoch_milliseconds or a strptime pattern.

    zone: of times that carry no offset of their own. A local time that clocks showed twice is the earlier one; one that
    clocks skipped is read with the offset before the change.
    """

    column: Name
    format: str = "iso8601"
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def known_zone(cls, zone: str) -> str:
        from ml.datasets.times import zone_works

        try:
            known = ZoneInfo(zone) and zone_works(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = False
        if not known:
            raise ValueError(f"{zone!r} is no IANA time zone, for example Europe/Berlin")
        return zone

    @field_validator("format")
    @classmethod
    def known_format(cls, pattern: str) -> str:
        if pattern not in NAMED_TIME_FORMATS:
            _require_readable(pattern)
        return pattern


class ObservedColumn(TimeColumn):
    """delay_days: days from the column's time until the label was known, where the file tells only when it happened."""

    delay_days: Days = 0


class EventReference(Strict):
    """Which event a label names. derived: the event of the same row, where events files hold labels and carry no id."""

    column: Name | None = None
    derived: bool = False

    @model_validator(mode="after")
    def one_source(self) -> Self:
        if (self.column is None) == (not self.derived):
            raise ValueError("give a column of the file or `derived: true`, one of the two")
        return self


class Extra(Strict):
    """A declared column beyond the contract. column: its name in the file, the extra's own name when absent."""

    kind: Kind
    column: Name | None = None


def _require_readable(pattern: str) -> None:
    """A pattern must give back the date that it wrote, for Python's strptime and for the vectorised reader alike."""
    from ml.datasets.times import pattern_works

    moment = datetime(2001, 2, 3, 16, 5, 6)  # noqa: DTZ001 (the pattern decides about the zone)
    try:
        read = datetime.strptime(moment.strftime(pattern), pattern).date()  # noqa: DTZ007
    except (ValueError, re.error):  # strptime knows each directive once
        read = None
    if "%" not in pattern or read != date(2001, 2, 3) or not pattern_works(pattern):
        named = ", ".join(NAMED_TIME_FORMATS)
        raise ValueError(f"{pattern!r} is neither {named} nor a strptime pattern with year, month and day")


def _short(key: str) -> BeforeValidator:
    return BeforeValidator(lambda given: {key: given} if isinstance(given, str) else given)


Text = Annotated[TextColumn, _short("column")]
Number = Annotated[NumberColumn, _short("column")]
Verdict = Annotated[VerdictColumn, _short("column")]
Time = Annotated[TimeColumn, _short("column")]
Observed = Annotated[ObservedColumn, _short("column")]
LabelledEvent = Annotated[EventReference, _short("column")]
DeclaredExtra = Annotated[Extra, _short("kind")]
