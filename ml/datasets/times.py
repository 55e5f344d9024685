"""Reads columns of times written in a declared format, all at once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

_MICROSECONDS = {"epoch_seconds": 1_000_000, "epoch_milliseconds": 1_000}
_COMMON = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000
_BEYOND = 2**62  # microseconds; farther than any calendar, still an int64


def read_times(texts: pl.Series, pattern: str, zone: str) -> pl.Series:
    """Text -> microseconds since 1970 in UTC as Int64, null where the text is no time in that format.

    pattern: iso8601, epoch_seconds, epoch_milliseconds or a strptime pattern. zone: of times without an offset.
    A local time that clocks showed twice is the earlier one; one that they skipped is read with the offset before the
    change, so 02:30 becomes 03:30.
    """
    texts = texts.str.strip_chars()
    if pattern in _MICROSECONDS:
        return _epochs(texts, _MICROSECONDS[pattern])
    if pattern == "iso8601":
        return _iso8601(texts, zone)
    return _to_utc(_parse(texts, pattern), zone)


def pattern_works(pattern: str) -> bool:
    """Whether a strptime pattern gives back the date that it wrote."""
    moment = datetime(2001, 2, 3, 16, 5, 6, tzinfo=UTC)
    try:
        read = read_times(pl.Series([moment.strftime(pattern)]), pattern, "UTC")[0]
    except (pl.exceptions.PolarsError, ValueError):
        return False
    return read is not None and read // _DAY == _microseconds(moment) // _DAY


def zone_works(zone: str) -> bool:
    """Whether the vectorised reader knows a zone that this machine's time zone database has."""
    try:
        read_times(pl.Series(["2001-02-03 16:05:06"]), "iso8601", zone)
    except pl.exceptions.PolarsError:
        return False
    return True


def _epochs(texts: pl.Series, unit: int) -> pl.Series:
    whole = texts.cast(pl.Int64, strict=False)
    limit = _BEYOND // unit
    exact = whole.clip(-limit, limit) * unit
    if whole.null_count() == texts.null_count():
        return exact
    fraction = texts.cast(pl.Float64, strict=False)
    finite = fraction.set(~fraction.is_finite(), None)
    return exact.fill_null((finite * unit).clip(-_BEYOND, _BEYOND).round().cast(pl.Int64))


def _iso8601(texts: pl.Series, zone: str) -> pl.Series:
    """The common spellings all at once, the fastest first; whatever is left by Python's own reader."""
    times = pl.repeat(None, len(texts), dtype=pl.Int64, eager=True)
    for pattern in _COMMON:
        rest = (times.is_null() & texts.is_not_null()).arg_true()
        if rest.is_empty():
            return times
        times = times.scatter(
            rest, _to_utc(_parse(texts.gather(rest), pattern), "UTC" if pattern.endswith("Z") else zone)
        )
    rest = (times.is_null() & texts.is_not_null()).arg_true()
    return times.scatter(rest, [_iso_moment(text, ZoneInfo(zone)) for text in texts.gather(rest)])


def _iso_moment(text: str, zone: ZoneInfo) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _microseconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def _parse(texts: pl.Series, pattern: str) -> pl.Series:
    # In chrono's patterns %f counts nanoseconds without a leading dot; %.f is Python's .%f.
    return texts.str.to_datetime(pattern.replace(".%f", "%.f"), time_unit="us", strict=False)


def _to_utc(times: pl.Series, zone: str) -> pl.Series:
    if times.dtype.time_zone is not None or zone == "UTC":
        return times.cast(pl.Int64)
    placed = times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").cast(pl.Int64)
    skipped = (placed.is_null() & times.is_not_null()).arg_true()
    local = times.gather(skipped).cast(pl.Int64)
    return placed.scatter(skipped, [_place_skipped(time, ZoneInfo(zone)) for time in local])


def _place_skipped(local: int, zone: ZoneInfo) -> int:
    """local: a wall clock's microseconds since 1970. Beyond Python's calendar no clock has a zone."""
    try:
        return _microseconds((_EPOCH + timedelta(microseconds=local)).replace(tzinfo=zone))
    except OverflowError:
        return local


def _microseconds(moment: datetime) -> int:
    """Exact, and without overflow at the ends of the calendar."""
    offset = moment.utcoffset()
    since = moment.replace(tzinfo=UTC) - _EPOCH - offset
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
