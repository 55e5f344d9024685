"""All that a shop knows at one moment, as counted rows: two moments are compared by subtracting them."""

import json
from collections import Counter
from dataclasses import dataclass

import pyarrow.parquet as pq

from ml.contracts.lake import PART
from ml.ingest.accounting import Accounting
from ml.ingest.lake import EventLake
from tests.fault.shop import Shop

# published_at and dag_run_id say when and by whom; a run's duration is never twice the same
FLAGS = """
    SELECT '{table}', {key}, interval_start::text, (to_jsonb(f) - '{{published_at,dag_run_id}}'::text[])::text
    FROM {table} f"""
RUNS = """
    SELECT interval_start::text, (to_jsonb(r) - '{published_at,dag_run_id,duration}'::text[])::text
    FROM scoring_run r WHERE stands"""
SHOWN = "SELECT user_id, (to_jsonb(f) - 'published_at')::text FROM current_flag f"
PARTITIONS = (
    "SELECT kind, interval_start::date::text, rows_in, accepted, duplicate, quarantined FROM ingested_partition"
)
LABELS = "SELECT encode(label_id, 'hex') FROM label"


@dataclass(frozen=True)
class Facts:
    """flags: (table, key, interval, row). runs: (interval, row), of the standing ones. shown: (user, row), as the
    recommender sees them. partitions: what the database says of each ingested day. labels: their ids. events: the
    SHA-256 of the lake's partitions. accounts: what the lake says of each ingested day."""

    flags: Counter
    runs: Counter
    shown: Counter
    partitions: Counter
    labels: Counter
    events: str
    accounts: Counter


def read_facts(shop: Shop) -> Facts:
    flags = [
        FLAGS.format(table=table, key=key) for table, key in (("user_flag", "user_id"), ("event_flag", "event_id"))
    ]
    return Facts(
        flags=Counter(row for query in flags for row in shop.ask(query)),
        runs=Counter(shop.ask(RUNS)),
        shown=Counter(shop.ask(SHOWN)),
        partitions=Counter(shop.ask(PARTITIONS)),
        labels=Counter(shop.ask(LABELS)),
        events=EventLake(shop.lake).fingerprint(),
        accounts=Counter(_accounts(shop)),
    )


def _accounts(shop: Shop) -> list[tuple]:
    found = []
    for path in sorted((shop.lake / "accounting").glob("*/ds=*.json")):
        day = Accounting.from_json(path.read_text())
        found.append((path.parent.name, day.ds, day.rows_in, day.accepted, day.duplicate, day.quarantined))
    return found


def quarantined_rows(shop: Shop) -> dict[tuple[str, str], int]:
    """(stream, day) -> rows in the quarantine."""
    files = (shop.lake / "quarantine").glob(f"*/ds=*/{PART}")
    return {(path.parts[-3], path.parent.name.removeprefix("ds=")): pq.read_metadata(path).num_rows for path in files}


def accepted_events(shop: Shop) -> dict[str, int]:
    """Day -> rows of its partition."""
    paths = EventLake(shop.lake).partitions()
    return {path.parent.name.removeprefix("ds="): pq.read_metadata(path).num_rows for path in paths}


def ledger(shop: Shop) -> list[tuple[str | None, str, str | None]]:
    """(from, to, DAG run) of every move of the alias champion, the first one first."""
    return shop.ask("SELECT from_version, to_version, dag_run_id FROM promotion_ledger ORDER BY promotion_id")


def staged_leftovers(shop: Shop) -> list[str]:
    """Tables of flags that are no partition of anything, seen by others than their makers."""
    query = r"""SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition
        AND relnamespace = 'trailguard'::regnamespace AND relname ~ '^(user|event)_flag_' AND relname !~ '_blank$'"""
    return [name for (name,) in shop.ask(query)]


def rows_told(row: str) -> dict:
    return json.loads(row)
