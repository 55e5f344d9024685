"""What a sensor asks of the lake."""


def has_events(start: str) -> bool:
    """True once the day's validated partition is there."""
    from ml.contracts.intervals import Interval, parse_time
    from ml.ingest.lake import EventLake
    from ml.settings import settings

    return EventLake(settings().lake).has_partition(Interval.day(parse_time(start)))
