"""A written time means one moment, whatever the spelling, the zone and the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.datasets.times import pattern_works, read_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (datetime(year, 1, 2) for year in (1970, 2099))  # noqa: DTZ001 (clocks on a wall)


def read(texts, pattern="iso8601", zone="UTC"):
    return read_times(pl.Series(texts, dtype=pl.String), pattern, zone).to_list()


def moment(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2014-03-01T06:00:00Z", "2014-03-01T06:00:00Z"),
        (" 2014-03-01T06:00:00+0530 ", "2014-03-01T00:30:00Z"),
        ("2014-03-01T06:00:00.25-02:00", "2014-03-01T08:00:00.25Z"),
        ("2014-03-01 06:00:00", "2014-03-01T05:00:00Z"),
        ("2014-03-01T06:00:00.5", "2014-03-01T05:00:00.5Z"),
        ("2014-03-01T06:00", "2014-03-01T05:00:00Z"),
        ("2014-03-01", "2014-02-28T23:00:00Z"),
        ("20140301T060000Z", "2014-03-01T06:00:00Z"),
        ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),  # clocks showed it twice: the earlier
        ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),  # clocks skipped it: the offset before the change
        ("2024-03-31T02:30", "2024-03-31T01:30:00Z"),
    ],
)
def test_iso_8601_in_any_spelling_is_one_moment(written, meant):
    assert read([written, None, written], zone="Europe/Berlin") == [moment(meant), None, moment(meant)]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2014-02-30", "2014-13-01T00:00:00Z", "06:00:00", "٢٠١٤-03-01", "nan"]
)
def test_what_is_no_time_is_none(text):
    assert read([text, "2014-03-01T06:00:00Z"]) == [None, moment("2014-03-01T06:00:00Z")]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Apia"])
@pytest.mark.parametrize(
    "text", ["-262143-01-01 00:00:00", "+262142-12-31 23:59:59", "+20000-03-26 02:30:00", "0001-01-01", "9999-12-31"]
)
def test_a_time_beyond_any_calendar_harms_no_other(text, zone):
    found, good = read([text, "2014-03-01T06:00:00Z"], zone=zone)
    assert good == moment("2014-03-01T06:00:00Z")
    assert found is not None
    assert not 0 <= found < moment("2100-01-01T00:00:00Z")


def test_epochs_are_exact_and_never_overflow():
    assert read(["1393653600", " 1393653600.25", "1.3936536e9", "-1"], "epoch_seconds") == [
        1393653600_000000,
        1393653600_250000,
        1393653600_000000,
        -1_000000,
    ]
    assert read(["1393653600123", "1"], "epoch_milliseconds") == [1393653600_123000, 1000]
    assert min(read(["9" * 30, "1e300", "9223372036854775807"], "epoch_seconds")) > moment("9999-12-31T00:00:00Z")
    assert read(["nan", "inf", "x", None], "epoch_seconds") == [None] * 4


def test_patterns_read_what_python_would():
    assert read(["05.03.2014 06:00:00.5"], "%d.%m.%Y %H:%M:%S.%f") == [moment("2014-03-05T06:00:00.5Z")]
    assert read(["05/Mar/2014:06:00:00 +0200"], "%d/%b/%Y:%H:%M:%S %z", "Asia/Tokyo") == [
        moment("2014-03-05T04:00:00Z")
    ]
    assert read(["3/5/14 1:30 PM", "13:30"], "%m/%d/%y %I:%M %p") == [moment("2014-03-05T13:30:00Z"), None]
    assert read(["05/03/2014"], "%d/%m/%Y", "America/New_York") == [moment("2014-03-05T05:00:00Z")]


def test_a_pattern_that_does_not_give_its_date_back_does_not_work():
    assert pattern_works("%d/%m/%Y %H:%M")
    assert not any(pattern_works(pattern) for pattern in ("%H:%M", "%Y", "%d/%m/%Y %H", "%Q"))


@given(
    st.lists(st.datetimes(FIRST, LAST), min_size=1, max_size=20),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.sampled_from([" ", "T"]),
)
def test_local_times_are_placed_as_python_places_them(times, zone, between):
    placed = [time.replace(tzinfo=ZoneInfo(zone)) for time in times]
    meant = [(time.astimezone(UTC) - EPOCH) // timedelta(microseconds=1) for time in placed]
    assert read([time.isoformat(between) for time in times], zone=zone) == meant
    assert read([time.isoformat(between) for time in placed]) == meant
