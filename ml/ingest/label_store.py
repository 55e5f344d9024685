"""The label table in PostgreSQL: append-only verdicts with two clocks, and what became of the raw rows."""

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from ml.contracts.intervals import Interval, parse_time
from ml.contracts.labels import LABEL_SCHEMA
from ml.ingest.accounting import Accounting
from ml.ingest.lake import Stream
from ml.postgres import copy_rows, fetch_table, replace_row, transaction


class LabelStore:
    """Meets the label table as trailguard_writer.

    url: address of the trailguard database, libpq's or SQLAlchemy's.
    """

    def __init__(self, url: str):
        self.url = url

    def append(self, labels: pa.Table) -> int:
        """Adds the labels that are not there yet; returns how many. Adding them again adds nothing.

        labels: LABEL_SCHEMA. Raises psycopg2.IntegrityError, and adds none, where a label breaks the contract.
        """
        names = ", ".join(LABEL_SCHEMA.names)
        with transaction(self.url) as rows:
            rows.execute(f"CREATE TEMPORARY TABLE arrived ON COMMIT DROP AS SELECT {names} FROM label LIMIT 0")  # noqa: S608
            copy_rows(rows, "arrived", labels.select(LABEL_SCHEMA.names).cast(LABEL_SCHEMA))
            # sorted, so that two writers that add the same labels meet them in the same order and never deadlock
            rows.execute(
                f"INSERT INTO label ({names}) SELECT {names} FROM arrived"  # noqa: S608
                " ORDER BY user_id, observed_at, event_id, kind, source, label, confidence ON CONFLICT DO NOTHING"
            )
            return rows.rowcount

    def known_at(self, as_of: datetime) -> pa.Table:
        """The labels observed before the moment, in LABEL_SCHEMA, by user and then by time."""
        names = ", ".join(LABEL_SCHEMA.names)
        with transaction(self.url) as rows:
            rows.execute(
                f"SELECT {names} FROM label WHERE observed_at < %s ORDER BY user_id, observed_at, label_id",  # noqa: S608
                [as_of],
            )
            return fetch_table(rows, LABEL_SCHEMA)

    def record_partitions(self, kind: Stream, days: Iterable[Accounting]) -> None:
        """Records what became of each day's raw rows; again replaces it."""
        counts = ("rows_in", "accepted", "duplicate", "quarantined")
        with transaction(self.url) as rows:
            for day in days:
                whole = Interval.day(parse_time(day.ds))
                facts = {name: getattr(day, name) for name in counts}
                facts |= {"kind": kind, "interval_start": whole.start, "interval_end": whole.end}
                replace_row(rows, "ingested_partition", facts, key=("kind", "interval_start"), clock="recorded_at")
