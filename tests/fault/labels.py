"""Labels by a clock that goes wrong, and labels that are taken back."""

import gzip
from datetime import date, datetime, timedelta
from pathlib import Path

from tests.fault.fault import Fault
from tests.fault.killed import labels
from tests.fault.shop import Shop
from tests.fault.steps import step

KNOWN_AT, VERDICT, REASON, BY = 6, 2, 3, 4
FORMAT = "%Y-%m-%dT%H:%M:%S.%f"


def _rewrite(shop: Shop, day: date, change) -> int:
    """Changes each row of the day's label file; when the fault is over, file and table are as they were."""
    path: Path = shop.raw / "labels" / f"{day}.csv.gz"
    content = path.read_bytes()
    header, *rows = gzip.decompress(content).decode().splitlines()
    known = {row for (row,) in shop.ask("SELECT encode(label_id, 'hex') FROM label")}
    shop.afterwards.append(lambda: path.write_bytes(content))
    shop.afterwards.append(lambda: _forget(shop, known))
    changed = [",".join(change(row.split(","))) for row in rows]
    path.write_bytes(gzip.compress("\n".join([header, *changed, ""]).encode()))
    return len(rows)


def _forget(shop: Shop, known: set[str]) -> None:
    """The table is append-only: only here, and only by its owner, is anything taken out of it."""
    shop.ask(
        "ALTER TABLE label DISABLE TRIGGER append_only; "
        "DELETE FROM label WHERE encode(label_id, 'hex') <> ALL (%s); ALTER TABLE label ENABLE TRIGGER append_only",
        (list(known),),
    )


def _fingerprint(shop: Shop) -> str:
    as_of = shop.days[0] - timedelta(days=1)
    return shop.run(step("take-snapshot", as_of=as_of))[0].told["fingerprint"]


def _ingest_wrong(shop: Shop, day: date, change) -> dict:
    """What was read of the changed file; what a model learns of earlier days does not move."""
    before = _fingerprint(shop)
    rows = _rewrite(shop, day, change)
    told, added = (done.told for done in shop.run(*labels(shop, day)))
    assert told["rows_in"] == rows == told["accepted"] + told["duplicate"] + told["quarantined"]
    assert _fingerprint(shop) == before, "a label that came later moves no earlier training"
    return told | {"added": added["added"]}


def go_ahead(shop: Shop, round_: int) -> None:
    """The labels' clock is hours ahead of the events'."""
    hours = (3, 7, 11)[round_ % 3]

    def shift(row: list[str]) -> list[str]:
        known = datetime.strptime(row[KNOWN_AT].rstrip("Z"), FORMAT) + timedelta(hours=hours)  # noqa: DTZ007
        return [*row[:KNOWN_AT], f"{known.strftime(FORMAT)[:-3]}Z"]

    told = _ingest_wrong(shop, shop.day(round_), shift)
    assert told["reasons"].get("outside_file_period", 0) > 0, "labels of tomorrow are refused, with a reason"
    _again(shop, round_)


def flip(shop: Shop, round_: int) -> None:
    """Every verdict of the day is turned round."""

    def turn(row: list[str]) -> list[str]:
        good = row[VERDICT] == "good"
        return [*row[:VERDICT], *(("abuse", "fraud") if good else ("good", "none")), *row[BY:]]

    told = _ingest_wrong(shop, shop.day(round_), turn)
    assert told["added"] == told["accepted"] > 0, "the verdicts of before stand beside those of now"
    _again(shop, round_)


def _again(shop: Shop, round_: int) -> None:
    shop.restore()
    shop.run(*labels(shop, shop.day(round_)))


FAULTS = (
    Fault("labels' clock ahead of the events'", "every label of a day is known hours later", go_ahead),
    Fault("labels that flip", "every verdict of a day is turned round", flip),
)
