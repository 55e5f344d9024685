"""Intervals are half-open and in UTC; errors say what happened, to what, and what to do."""

import re
from datetime import UTC, datetime

import pytest

from ml.contracts.intervals import Interval, IntervalInvalid, TimeUnreadable, parse_time
from ml.errors import ExitCode, InputAbsent, TrailguardError


def test_an_interval_holds_its_start_and_not_its_end():
    day = Interval.parse("2014-03-01", "2014-03-02")
    assert day.start in day
    assert day.end not in day


def test_a_time_without_a_zone_is_utc_and_one_with_a_zone_is_moved_there():
    assert parse_time("2014-03-01") == datetime(2014, 3, 1, tzinfo=UTC)
    assert parse_time("2014-03-01T02:00:00+02:00") == datetime(2014, 3, 1, tzinfo=UTC)


def test_an_interval_names_every_day_it_touches_once():
    interval = Interval.parse("2014-02-27T12:00", "2014-03-02")
    assert [day.ds for day in interval.days()] == ["2014-02-27", "2014-02-28", "2014-03-01"]


@pytest.mark.parametrize("end", ["2014-03-01", "2014-02-01"])
def test_an_interval_without_a_moment_is_refused(end):
    with pytest.raises(IntervalInvalid, match="must start before it ends"):
        Interval.parse("2014-03-01", end)


@pytest.mark.parametrize(
    "text", ["yesterday", "", "0001-01-01T00:00:00+14:00", "1969-12-31", "2100-01-02", "9999-12-31T23:00:00-05:00"]
)
def test_a_time_that_no_contract_holds_is_told_with_an_example(text):
    with pytest.raises(TimeUnreadable, match=rf"text='{re.escape(text)}'\. Write it as ISO 8601"):
        parse_time(text)


def test_an_error_tells_what_happened_the_facts_and_what_to_do():
    error = InputAbsent(partition="ds=2014-03-01")
    assert str(error).startswith("An input that this stage needs is not there. partition=ds=2014-03-01. Run the stage")
    assert error.partition == "ds=2014-03-01"
    assert error.exit_code is ExitCode.ABSENT
    assert isinstance(error, TrailguardError)
