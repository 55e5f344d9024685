"""How events and labels are read from a dataset's files, one file at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
import pyarrow as pa

from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA
from ml.datasets.columns import TimeColumn
from ml.datasets.descriptor import Descriptor
from ml.datasets.file_pattern import SourceFile, find_files
from ml.errors import ExitCode, InputAbsent, TrailguardError
from ml.ingest.batch import Batch, Reject
from ml.ingest.check import Checked, check_events, check_labels
from ml.ingest.column_checks import DS
from ml.ingest.guard import Guard
from ml.ingest.lake import Stream
from ml.ingest.mapped import contract_names, event_columns, label_columns, one_line_columns, user_columns
from ml.ingest.read import read_rows


class FolderUnknown(TrailguardError):
    """A shipped dataset's descriptor does not say where its files lie.

    Give the folder, for example make demo DATA=path/to/wikipedia-edits.
    """

    exit_code = ExitCode.USAGE


class TimesUnreadable(TrailguardError):
    """Not one row of a data file has a time between 1970 and 2100 in the declared format; nothing of it is published.

    Correct the column's `format` in the descriptor.
    """


class PeriodWrong(TrailguardError):
    """Not one row of a data file is dated inside the period that its name says, so nothing of it is published.

    Correct the time column's zone, or leave the %-fields out of the descriptor's `files` so that every file is read.
    """


@dataclass(frozen=True)
class Reading:
    """One stream of a dataset.

    columns: of the file, all that are asked for, each with the contract's column it fills; required: those every file
    must have. schema: of the sound rows.
    key: the contract's column that is unique within a day. filed_by_time: a file's name bounds `time` of its rows.
    delay_days: from the column's time to the row's own.
    """

    stream: Stream
    descriptor: Descriptor
    pattern: str
    columns: dict[str, str | None]
    required: frozenset[str]
    time: TimeColumn
    check: Callable[[Batch, Descriptor, Interval | None], Checked]
    schema: pa.Schema
    key: str | None = None
    filed_by_time: bool = True
    delay_days: int = 0

    def files(self, days: Interval) -> list[SourceFile]:
        """The files that may hold rows of those days. Raises InputAbsent, FolderUnknown."""
        folder = self.descriptor.folder
        if folder is None:
            raise FolderUnknown(dataset=self.descriptor.name)
        found = find_files(folder, self.pattern, self.time.zone)
        if self.filed_by_time:
            delay = timedelta(days=self.delay_days)
            found = [file for file in found if _overlap(file.period, days.start - delay, days.end - delay)]
        else:
            found = [SourceFile(file.path, file.name) for file in found]
        if not found:
            raise InputAbsent(input=self.stream, pattern=self.pattern, folder=str(folder), interval=days)
        return found


@dataclass(frozen=True)
class Part:
    """A batch's rows told apart. dated: of the days asked for; undated: without a date of their own."""

    dated: pl.DataFrame
    undated: pl.DataFrame
    rejects: list[Reject]
    outside: int

    @property
    def rows(self) -> int:
        return self.dated.height + self.undated.height + len(self.rejects) + self.outside


def event_reading(descriptor: Descriptor) -> Reading:
    columns = descriptor.events.columns
    required = (columns.user_id, columns.event_time, columns.event_type)
    return Reading(
        stream="events",
        descriptor=descriptor,
        pattern=descriptor.events.files,
        columns=dict.fromkeys(event_columns(descriptor)) | contract_names(columns),
        required=frozenset(spec.column for spec in required if spec.column),
        time=columns.event_time,
        check=check_events,
        schema=descriptor.event_schema,
        key="event_id",
    )


def label_reading(descriptor: Descriptor) -> Reading:
    labels = descriptor.labels
    observed, happened = labels.columns.observed_at, descriptor.events.columns.event_time
    own_files = labels.files is not None
    return Reading(
        stream="labels",
        descriptor=descriptor,
        pattern=labels.files or descriptor.events.files,
        columns=dict.fromkeys(label_columns(descriptor)) | contract_names(labels.columns),
        # In events files of JSON lines a label's keys may be left out wherever nothing is known yet.
        required=frozenset({observed.column, labels.columns.label.column} - {None}) if own_files else frozenset(),
        time=observed,
        check=check_labels,
        schema=LABEL_SCHEMA,
        # An events file's name says when its events happened, not when their labels became known.
        filed_by_time=own_files or observed.column == happened.column,
        delay_days=observed.delay_days,
    )


def read_file(reading: Reading, file: SourceFile, days: Interval, guard: Guard) -> Iterator[Part]:
    """Yields every row of the file, guarded and checked.

    Raises TimesUnreadable, PeriodWrong, and what `read_rows` raises.
    """
    first, last = days.start.date(), (days.end - timedelta(days=1)).date()
    rows = readable = outside_period = 0
    unreadable = None
    one_line, users = one_line_columns(reading.descriptor), user_columns(reading.descriptor)
    for read in read_rows(file, reading.columns, required=reading.required, one_line=one_line):
        batch = guard.veil(read, users)
        checked = reading.check(batch, reading.descriptor, file.period)
        found = guard.blank(guard.describe(checked.rows, batch))
        rows, readable = rows + checked.rows.height, readable + checked.readable
        outside_period += checked.outside_period
        unreadable = unreadable or checked.unreadable
        dated = found.filter(pl.col(DS).is_between(first, last))
        undated = found.filter(pl.col(DS).is_null())
        rejects = [reject._replace(column=reading.columns.get(reject.column)) for reject in batch.rejects]
        yield Part(dated, undated, rejects, checked.rows.height - dated.height - undated.height)
    if rows and not readable:
        line, text = unreadable
        facts = {"column": reading.time.column, "found": repr(text), "format": reading.time.format}
        raise TimesUnreadable(where=f"{file.name}:{line}", **facts)
    if rows and outside_period == readable:
        raise PeriodWrong(file=file.name, period=file.period, column=reading.time.column, zone=reading.time.zone)


def _overlap(period: Interval | None, start: object, end: object) -> bool:
    return period is None or (period.start < end and start < period.end)
