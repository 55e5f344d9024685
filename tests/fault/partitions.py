"""Raw files that come late, empty, twice or cut short, and a published partition that rots."""

import gzip
import os
from datetime import date
from pathlib import Path

from ml.ingest.lake import EventLake
from tests.fault.fault import Fault
from tests.fault.killed import events, scoring
from tests.fault.shop import Shop
from tests.fault.steps import score_users

REFUSED, ABSENT = 3, 4


def _file(shop: Shop, day: date) -> Path:
    """The day's raw file; when the fault is over it holds what it held."""
    path = shop.raw / "events" / f"{day}.csv.gz"
    content = path.read_bytes()
    shop.afterwards.append(lambda: path.write_bytes(content))
    return path


def _hold(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(gzip.compress(b"".join(lines)))


def _lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def _empty(shop: Shop, day: date) -> Path:
    """The day was ingested when nothing had come yet; nobody could be scored."""
    path = _file(shop, day)
    _hold(path, _lines(path)[:1])
    shop.run(*events(shop, day))
    plan = score_users(day, shop.threshold_id)[0]
    assert shop.stage(plan).status == ABSENT, "a day without events waits, and its flags stand"
    return path


def come_empty(shop: Shop, round_: int) -> None:
    day = shop.day(round_)
    _empty(shop, day)
    shop.restore()
    _score_again(shop, day)


def come_late(shop: Shop, round_: int) -> None:
    day = shop.day(round_)
    _empty(shop, day).unlink()
    assert shop.stage(events(shop, day)[0]).status == ABSENT, "a file that is not there yet is waited for"
    shop.restore()
    _score_again(shop, day)


def come_twice(shop: Shop, round_: int) -> None:
    day = shop.day(round_)
    before, path = EventLake(shop.lake).fingerprint(), _file(shop, day)
    header, *rows = _lines(path)
    _hold(path, [header, *rows, *rows])
    told = shop.run(*events(shop, day))[0].told
    assert told["rows_in"] == 2 * len(rows)
    assert told["duplicate"] >= told["accepted"] > 0
    assert EventLake(shop.lake).fingerprint() == before, "a row that comes twice is one event"
    shop.restore()
    shop.run(*events(shop, day))


def come_short(shop: Shop, round_: int) -> None:
    day = shop.day(round_)
    path = _file(shop, day)
    os.truncate(path, path.stat().st_size // 2)
    assert shop.stage(events(shop, day)[0]).status == REFUSED, "of a broken file nothing is published"
    shop.restore()
    shop.run(*events(shop, day))


def rot(shop: Shop, round_: int) -> None:
    day = shop.day(round_)
    partition = EventLake(shop.lake).root / "events" / f"ds={day}" / "part-0.parquet"
    shop.run(*events(shop, day)[:1])
    os.truncate(partition, partition.stat().st_size // 2)
    assert shop.stage(score_users(day, shop.threshold_id)[0]).status == 1, "who cannot be read is not scored"
    shop.run(*events(shop, day)[1:], *scoring(shop, day))


def _score_again(shop: Shop, day: date) -> None:
    shop.run(*events(shop, day), *scoring(shop, day))


FAULTS = (
    Fault("events come late", "the day has no file, then has one", come_late),
    Fault("events come empty", "the day's file holds no row, then all", come_empty),
    Fault("events come twice", "each row of the day's file stands in it twice", come_twice),
    Fault("events come cut short", "the day's file ends in its middle", come_short, quick=True),
    Fault("partition cut short in the lake", "half of the day's published file is gone", rot),
)
