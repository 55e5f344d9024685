"""The same is asked for twice at once."""

from datetime import timedelta

import httpx

from tests.fault.airflow import api, require_success, run_of
from tests.fault.facts import ledger
from tests.fault.fault import Fault
from tests.fault.killed import events, scoring
from tests.fault.models import promotion, rollback
from tests.fault.shop import Shop, until
from tests.fault.steps import Step


def at_once(shop: Shop, *steps: Step) -> list[int]:
    """Their exit statuses."""
    started = [(each, shop.start(each)) for each in steps]
    return [shop.finish(each, process).status for each, process in started]


def publish_twice(shop: Shop, round_: int) -> None:
    publish = scoring(shop, shop.day(round_))[-1]
    assert at_once(shop, publish, publish, publish) == [0, 0, 0]


def score_twice(shop: Shop, round_: int) -> None:
    _, score, decide, publish = scoring(shop, shop.day(round_))
    for each in (score, decide, publish):
        assert at_once(shop, each, each) == [0, 0]


def ingest_twice(shop: Shop, round_: int) -> None:
    """And a neighbour's day beside it, whose items the day's follow from."""
    day, neighbour = shop.day(round_), shop.day(round_ + 1)
    for each, other in zip(events(shop, day), events(shop, neighbour), strict=True):
        assert at_once(shop, each, each, other) == [0, 0, 0]


def trigger_twice(shop: Shop, round_: int) -> None:
    day = shop.day(round_)
    asked = {"start": str(day), "end": str(day + timedelta(days=1))}
    runs = [shop.airflow.trigger("ingest_labels", **asked) for _ in range(2)]
    for run in runs:
        require_success(shop, "ingest_labels", run)


def backfill_twice(shop: Shop, round_: int) -> None:
    """Airflow takes one of two backfills at a time; it runs."""
    day = f"{shop.day(round_)}T00:00:00Z"
    asked = {"dag_id": "score_users", "from_date": day, "to_date": day, "reprocess_behavior": "completed"}
    with api(shop) as airflow:
        answers = [airflow.post("/backfills", json=asked | {"max_active_runs": 2}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [httpx.codes.OK, httpx.codes.CONFLICT]
    require_success(shop, "score_users", run_of(shop, "score_users", shop.day(round_)))
    with api(shop) as airflow:
        backfill = f"/backfills/{answers[0].json()['id']}"
        until(lambda: airflow.get(backfill).raise_for_status().json()["completed_at"] is not None, "it to close")


def promote_twice(shop: Shop, round_: int) -> None:
    run = f"twice {len(ledger(shop))}"
    there, back = promotion(shop, run), rollback(run)
    for each in (there, back):
        assert (statuses := at_once(shop, each, each)) == [0, 0], f"{each.stage} ended with {statuses}"


FAULTS = (
    Fault("three publishers of one day at once", "publish-flags, three times side by side", publish_twice, quick=True),
    Fault("two scorings of one day at once", "each stage twice side by side", score_twice),
    Fault("two ingestions of one day at once", "each stage twice, and the next day's beside them", ingest_twice),
    Fault("DAG triggered twice at once", "ingest_labels of one day, two DAG runs", trigger_twice),
    Fault("two backfills at once", "of the same day", backfill_twice),
    Fault("promotion and rollback asked for twice at once", "each stage twice side by side", promote_twice),
)
