"""Small made-up lakes for tests: random shoppers whose every event is known to the test."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.events import Kind, event_schema
from ml.contracts.labels import LABEL_SCHEMA
from ml.contracts.lake import ORDER, buckets_of
from ml.ingest.partitions import publish_days

START = datetime(2024, 1, 1, tzinfo=UTC)
EXTRAS = {"device": Kind.CATEGORICAL, "price": Kind.NUMERIC, "note": Kind.TEXT}


def random_events(*, users: int = 30, events: int = 600, days: int = 60, seed: int = 0) -> pa.Table:
    """Contract columns and EXTRAS, sorted as the lake sorts them; times repeat, items and amounts are partly absent."""
    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, days * 24, events) * 3600 + rng.integers(0, 3, events)

    def some(values: list, share: float) -> list:
        return [value if rng.random() < share else None for value in values]

    rows = {
        "event_id": [f"e{number:05d}" for number in range(events)],
        "user_id": [f"u{number:03d}" for number in rng.integers(0, users, events)],
        "event_time": [START + timedelta(seconds=int(second)) for second in seconds],
        "event_type": rng.choice(["view", "cart", "order"], events, p=[0.7, 0.2, 0.1]).tolist(),
        "item_id": some([f"i{number}" for number in rng.zipf(1.7, events) % 20], 0.9),
        "session_id": some([f"s{number}" for number in rng.integers(0, 200, events)], 0.5),
        "amount": some(rng.gamma(2, 10, events).tolist(), 0.3),
        "channel": some(rng.choice(["web", "app"], events).tolist(), 0.8),
        "device": some(rng.choice(["phone", "desk", "pad"], events).tolist(), 0.9),
        "price": some(rng.normal(0, 5, events).tolist(), 0.5),
        "note": some([f"note {number}" for number in rng.integers(0, 40, events)], 0.4),
    }
    return in_lake_order(pa.table(rows, schema=event_schema(EXTRAS)))


def staggered_events() -> pa.Table:
    """200 users who begin one after another, five a day, each with ten random events in the ten days that follow."""
    events = random_events(users=200, events=2000, days=10)
    starts = [_begin(user) - START for user in events["user_id"].to_pylist()]
    index = events.column_names.index("event_time")
    moved = pc.add(events["event_time"], pa.array(starts, pa.duration("us")))
    return events.set_column(index, events.schema.field("event_time"), moved)


def telling_events() -> pa.Table:
    """The same, and the users whom `staggered_labels` names pay twenty more."""
    events = staggered_events()
    index = events.column_names.index("price")
    named = pa.array([int(user[1:]) % 3 == 0 for user in events["user_id"].to_pylist()])
    prices = pc.if_else(named, pc.add(events["price"], 20.0), events["price"])
    return events.set_column(index, events.schema.field("price"), prices)


def staggered_labels() -> pa.Table:
    """Every third of those users is fraudulent, which became known nine days after they began."""
    users = [f"u{number:03d}" for number in range(0, 200, 3)]
    return label_table(*(label(user, _begin(user) + timedelta(days=9)) for user in users))


WRONGLY_NAMED = {f"u{number:03d}" for number in range(1, 130, 9)}  # of those who pay what others pay


def wrong_labels(observed_at: datetime) -> pa.Table:
    """The same, and WRONGLY_NAMED are called fraudulent as well."""
    wrong = [label(user, observed_at) for user in sorted(WRONGLY_NAMED)]
    return label_table(*staggered_labels().to_pylist(), *wrong)


def _begin(user: str) -> datetime:
    return START + timedelta(hours=24 / 5 * int(user[1:]))


def in_lake_order(events: pa.Table) -> pa.Table:
    """By (user_bucket, user_id, event_time, event_id)."""
    buckets = pa.array(buckets_of(events["user_id"].to_pylist()))
    keys = [(name, "ascending") for name in ORDER]
    return events.append_column("user_bucket", buckets).sort_by(keys).drop_columns(["user_bucket"])


def write_lake(folder: Path, events: pa.Table) -> Path:
    """Daily partitions, as ingestion publishes them."""
    days, staged = pc.strftime(events["event_time"], "%Y-%m-%d"), {}
    with tempfile.TemporaryDirectory() as staging:
        for day in pc.unique(days).to_pylist():
            staged[date.fromisoformat(day)] = path = Path(staging) / f"{day}.parquet"
            pq.write_table(events.filter(pc.equal(days, day)), path)
        publish_days(folder, staged)
    return folder / "events"


def label(user: str, observed_at: datetime, *, value: int = 1, event: str | None = None) -> dict[str, object]:
    """One row of LABEL_SCHEMA."""
    kind = "fraud" if value else "none"
    return {"user_id": user, "event_id": event, "label": value, "kind": kind, "source": "review", "confidence": 1.0,
            "observed_at": observed_at}  # fmt: skip


def label_table(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=LABEL_SCHEMA)
