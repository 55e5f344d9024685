"""Ingests a data interval: raw files -> checked rows in staging -> visible partitions of the lake."""

import tempfile
from pathlib import Path

from tqdm import tqdm

from ml.contracts.intervals import Interval
from ml.datasets.descriptor import Descriptor
from ml.errors import ExitCode, TrailguardError
from ml.ingest.accounting import Accounting, Staged
from ml.ingest.guard import Guard
from ml.ingest.lake import MANIFEST, UNDATED, EventLake, whole_days
from ml.ingest.pseudonyms import take_identity
from ml.ingest.reading import Reading, event_reading, label_reading, read_file
from ml.ingest.stage import StagedDays, UndatedRows

OPEN = Guard()  # users keep their ids, and nobody was erased


class LabelsUndeclared(TrailguardError):
    """The dataset's descriptor declares no labels.

    Add a `labels` section to it.
    """

    exit_code = ExitCode.USAGE


def stage_events(descriptor: Descriptor, interval: Interval, lake: EventLake, guard: Guard = OPEN) -> Staged:
    """Reads the events of the UTC days that the interval touches into `lake.staging("events", interval)`.

    Nothing becomes visible. Staging again replaces what was staged; the same files give the same bytes.
    Raises InputAbsent when no file can hold the interval, FolderUnknown, TimesUnreadable, PeriodWrong, ColumnAbsent,
    SourceUnreadable and the other refusals of `ml.ingest.read`, and PseudonymKeyChanged.
    """
    return _stage(event_reading(descriptor), interval, lake, guard)


def stage_labels(descriptor: Descriptor, interval: Interval, lake: EventLake, guard: Guard = OPEN) -> Staged:
    """Reads the labels observed in the interval's UTC days into `lake.staging("labels", interval)`.

    Raises LabelsUndeclared, and what `stage_events` raises.
    """
    if descriptor.labels is None:
        raise LabelsUndeclared(dataset=descriptor.name, descriptor=str(descriptor.path))
    return _stage(label_reading(descriptor), interval, lake, guard)


def publish_events(interval: Interval, lake: EventLake) -> Staged:
    """Makes the interval's staged events visible. Raises InputAbsent when nothing is staged."""
    return lake.publish("events", interval)


def publish_labels(interval: Interval, lake: EventLake) -> Staged:
    """Makes quarantine and accounting of the staged labels visible; the rows themselves go to the label table."""
    return lake.publish("labels", interval)


def _stage(reading: Reading, interval: Interval, lake: EventLake, guard: Guard) -> Staged:
    days = whole_days(interval)
    files = reading.files(days)
    names = [file.name for file in files]
    take_identity(lake.root, guard.pseudonyms)
    with lake.new_staging(reading.stream, days) as folder, tempfile.TemporaryDirectory(dir=folder) as spill:
        dated = StagedDays(folder, Path(spill), names, reading.schema, reading.key)
        undated = []
        read = outside = 0
        for position, file in enumerate(tqdm(files, desc=f"read {reading.stream}", unit="file", disable=None)):
            with UndatedRows(folder, file.name) as rest:
                for part in read_file(reading, file, days, guard):
                    read, outside = read + part.rows, outside + part.outside
                    dated.add(part.dated, position)
                    rest.add(part.undated, part.rejects)
            undated += [rest.accounting] if rest.accounting else []
        gone = _vanished(lake.root, reading)
        staged = Staged(
            start=days.start.isoformat(),
            end=days.end.isoformat(),
            rows_read=read,
            outside=outside,
            files=tuple(sorted({*names, *gone})),
            days=dated.write(days),
            undated=tuple(undated),
        ).require_complete()
        (folder / MANIFEST).write_text(staged.to_json(), encoding="utf-8")
    return staged


def _vanished(lake: Path, reading: Reading) -> set[str]:
    """Files with undated rows in the lake that are no longer in the dataset's folder."""
    known = (lake / "accounting" / reading.stream / UNDATED).glob("*.json")
    names = {Accounting.from_json(path.read_text(encoding="utf-8")).file for path in known}
    return {name for name in names if not (reading.descriptor.folder / name).is_file()}
