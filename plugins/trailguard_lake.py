"""What sensors ask of the lake and of the flag store."""


def has_events(start: str) -> bool:
    """True once the day's validated partition is there."""
    from ml.contracts.intervals import Interval, parse_time
    from ml.ingest.lake import EventLake
    from ml.settings import settings

    return EventLake(settings().lake).has_partition(Interval.day(parse_time(start)))


def has_flags(start: str, end: str) -> bool:
    """True once the interval's flags are published."""
    from ml.contracts.intervals import Interval
    from ml.flags.store import FlagStore, NotStanding
    from ml.settings import settings

    try:
        FlagStore(settings().database_url).standing(Interval.parse(start, end))
    except NotStanding:
        return False
    return True
