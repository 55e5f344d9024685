"""Holds rows of text against the event and label contracts: each row comes out typed, or with the reason why not.

Every check is an expression over a whole batch. The first broken column, in the contract's order, gives the reason.
"""

import hashlib
from dataclasses import dataclass

import polars as pl

from ml.contracts.events import Kind
from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA
from ml.datasets.columns import NumberColumn, TextColumn
from ml.datasets.descriptor import Descriptor
from ml.ingest.batch import Batch
from ml.ingest.column_checks import BROKEN, DS, LINE, RAW, REASON, ColumnChecks, Times, present
from ml.ingest.mapped import event_columns


@dataclass(frozen=True)
class Checked:
    """rows: contract columns, then LINE, RAW, REASON, BROKEN, DS.

    readable: rows with a time between 1970 and 2100. outside_period: those of them outside the period that the file's
    name says. unreadable: line and text of the first time that is neither.
    """

    rows: pl.DataFrame
    readable: int
    outside_period: int
    unreadable: tuple[int, str] | None


def check_events(batch: Batch, descriptor: Descriptor, period: Interval | None = None) -> Checked:
    """Holds each row against the event contract. period: rows dated outside it are refused, where it is known."""
    columns, texts = descriptor.events.columns, pl.DataFrame(batch.texts)
    checks = ColumnChecks(texts)
    if columns.event_id:
        checks.text("event_id", columns.event_id)
    checks.text("user_id", columns.user_id)
    times = checks.time("event_time", columns.event_time, period=period)
    checks.text("event_type", columns.event_type)
    for name in ("item_id", "session_id"):
        checks.text(name, getattr(columns, name), required=False)
    checks.number("amount", columns.amount)
    checks.text("channel", columns.channel, required=False)
    for name, extra in descriptor.events.extras.items():
        column = extra.column or name
        if extra.kind is Kind.NUMERIC:
            checks.number(name, NumberColumn(column=column))
        else:
            checks.text(name, TextColumn(column=column), required=False, long=extra.kind is Kind.TEXT)
    rows = checks.rows(batch)
    if not columns.event_id:
        rows = rows.with_columns(_derived_ids(rows, texts, descriptor))
    return _checked(rows.select(*descriptor.event_schema.names, LINE, RAW, REASON, BROKEN, DS), times)


def check_labels(batch: Batch, descriptor: Descriptor, period: Interval | None = None) -> Checked:
    """Holds each row against the label contract. Where labels stand in events files, rows without one are left out."""
    labels, events = descriptor.labels.columns, descriptor.events.columns
    if not descriptor.labels.files and labels.label.column:
        batch = _labelled(batch, labels.label.column)
    texts = pl.DataFrame(batch.texts)
    checks = ColumnChecks(texts)
    checks.text("user_id", labels.user_id or events.user_id)
    derived = labels.event_id is not None and labels.event_id.derived
    if derived and events.event_id:
        checks.text("event_id", events.event_id)
    elif labels.event_id and not derived:
        checks.text("event_id", TextColumn(column=labels.event_id.column), required=False)
    checks.verdict("label", labels.label)
    checks.kind("kind", labels.kind, label=checks.values[-1])
    checks.text("source", labels.source or TextColumn(value=descriptor.name))
    checks.number("confidence", labels.confidence or NumberColumn(value=1), share=True)
    times = checks.time("observed_at", labels.observed_at, period=period, delay_days=labels.observed_at.delay_days)
    rows = checks.rows(batch)
    if derived and not events.event_id:
        rows = rows.with_columns(check_events(batch, descriptor).rows["event_id"])
    elif not labels.event_id:
        rows = rows.with_columns(pl.lit(None, pl.String).alias("event_id"))
    return _checked(rows.select(*LABEL_SCHEMA.names, LINE, RAW, REASON, BROKEN, DS), times)


def _labelled(batch: Batch, column: str) -> Batch:
    kept = pl.DataFrame(batch.texts).select(present(column).is_not_null()).to_series().to_arrow()
    return Batch(batch.texts.filter(kept), batch.lines.filter(kept), batch.raw.filter(kept), batch.rejects)


def _checked(rows: pl.DataFrame, times: Times) -> Checked:
    first = (~times.readable).arg_max() if rows.height else None
    found = None if first is None or times.readable[first] else (rows[LINE][first], times.texts[first] or "")
    return Checked(rows, int(times.readable.sum()), int(times.outside_period.sum()), found)


def _derived_ids(rows: pl.DataFrame, texts: pl.DataFrame, descriptor: Descriptor) -> pl.Series:
    """128-bit BLAKE2b over the event's moment and the other texts it is mapped from, as 32 hex digits.

    The same on every machine; other when a column more is mapped. Texts, by the names of their columns, are joined by
    the unit separator, which no accepted id holds.
    """
    moment = descriptor.events.columns.event_time.column
    parts = [rows["event_time"].cast(pl.Int64).cast(pl.String)]
    parts += [texts[name] for name in sorted(event_columns(descriptor)) if name != moment]
    content = pl.select(pl.concat_str([pl.lit(part).fill_null("") for part in parts], separator="\x1f")).to_series()
    ids = [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in content]
    return pl.Series("event_id", ids, pl.String)
