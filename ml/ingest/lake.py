"""The event lake: daily partitions on disk, each visible whole or not at all."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA
from ml.contracts.lake import PART, part
from ml.errors import InputAbsent
from ml.files import content_id
from ml.ingest.accounting import Accounting, Staged
from ml.ingest.partitions import publish_days

Stream = Literal["events", "labels"]
UNDATED = "ds=undated"
MANIFEST = "staged.json"
LONGEST_NAME = 200  # bytes of a data file's path; names of 255 must hold a suffix and a process's number besides


class EventLake:
    """The folder `lake/` of docs/decisions/0001. Events are read from it; labels only pass through its staging area."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def partitions(self, interval: Interval | None = None) -> list[Path]:
        """The published event files, oldest first; with an interval, those of the days it touches."""
        found = sorted(self.root.glob(f"events/ds=*/{PART}"))
        if interval is None:
            return found
        days = {f"ds={day.ds}" for day in interval.days()}
        return [path for path in found if path.parent.name in days]

    def has_partition(self, day: date | Interval) -> bool:
        """Whether the UTC day's events are published. A day without events has no partition."""
        return part(self.root / "events", day.start.date() if isinstance(day, Interval) else day).is_file()

    def fingerprint(self, interval: Interval | None = None) -> str:
        """SHA-256 over the days and contents of the published partitions, 64 hex digits."""
        digest = hashlib.sha256()
        for path in self.partitions(interval):
            with path.open("rb") as file:
                digest.update(f"{path.parent.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    def accounting(self, stream: Stream, day: Interval) -> Accounting | None:
        """What became of the day's rows when they were last published."""
        path = self.root / "accounting" / stream / f"ds={day.ds}.json"
        return Accounting.from_json(path.read_text()) if path.is_file() else None

    def staging(self, stream: Stream, interval: Interval) -> Path:
        """Where the interval's rows wait for validation: `ds=*/part-0.parquet` below it."""
        days = whole_days(interval)
        return self.root / "staging" / stream / f"{days.start:%Y-%m-%d}_{days.end:%Y-%m-%d}"

    def staged(self, stream: Stream, interval: Interval) -> Staged:
        """What was found when the interval was read. Raises InputAbsent when nothing is staged."""
        manifest = self.staging(stream, interval) / MANIFEST
        if not manifest.is_file():
            raise InputAbsent(input=f"staged {stream}", interval=interval)
        return Staged.from_json(manifest.read_text())

    def staged_partitions(self, stream: Stream, interval: Interval) -> list[Path]:
        """The staged files, oldest first."""
        return sorted(self.staging(stream, interval).glob(f"ds=*/{PART}"))

    def staged_labels(self, interval: Interval) -> pa.Table:
        """LABEL_SCHEMA, oldest first."""
        files = self.staged_partitions("labels", interval)
        return pa.concat_tables(
            [LABEL_SCHEMA.empty_table(), *(pq.read_table(file, schema=LABEL_SCHEMA) for file in files)]
        )

    @contextmanager
    def new_staging(self, stream: Stream, interval: Interval) -> Iterator[Path]:
        """A fresh folder that takes the place of the interval's staging area if the block ends well."""
        final = self.staging(stream, interval)
        with self._lock(final):
            fresh = final.with_name(f".{final.name}")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            try:
                yield fresh
                shutil.rmtree(final, ignore_errors=True)
                fresh.rename(final)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def publish(self, stream: Stream, interval: Interval) -> Staged:
        """Makes the interval's staged partitions visible: each file at once, a day without rows without a file.

        Doing it again changes nothing. Of labels, quarantine and accounting become visible; the rows themselves belong
        to the label table. Raises InputAbsent when nothing is staged.
        """
        staging = self.staging(stream, interval)
        with self._lock(staging), self._lock(self.root / "staging" / "publishing"):
            staged = self.staged(stream, interval)
            if stream == "events":
                days = [date.fromisoformat(day.ds) for day in staged.days]
                publish_days(self.root, {day: part(staging, day) for day in days})
            for day in staged.days:
                self._place_rest(staging, stream, f"ds={day.ds}", PART, "")
            for name in staged.files:
                kept = undated_name(name)
                self._place_rest(staging, stream, UNDATED, f"{kept}.parquet", f"/{kept}")
        return staged

    def _place_rest(self, staging: Path, stream: str, partition: str, part: str, file: str) -> None:
        _place(staging / "quarantine" / partition / part, self.root / "quarantine" / stream / partition / part)
        accounts = f"{partition}{file}.json"
        _place(staging / "accounting" / accounts, self.root / "accounting" / stream / accounts)

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def undated_name(file: str) -> str:
    """A data file's path as one name. Of a long one its beginning, and what tells it from others that begin so."""
    name = file.replace("%", "%25").replace("/", "%2F")
    if len(name.encode()) <= LONGEST_NAME:
        return name
    return f"{name.encode()[:LONGEST_NAME].decode(errors='ignore')}-{content_id(file)}"


def whole_days(interval: Interval) -> Interval:
    """The UTC days that the interval touches, as one interval."""
    days = list(interval.days())
    return Interval(days[0].start, days[-1].end)


def _place(staged: Path, published: Path) -> None:
    """Puts a staged file where it belongs by one rename; where nothing is staged, nothing stays."""
    if not staged.is_file():
        published.unlink(missing_ok=True)
        if published.parent.is_dir() and not any(published.parent.iterdir()):
            published.parent.rmdir()
        return
    if published.exists() and published.samefile(staged):
        return  # renaming one name of a file over another of its names does nothing and leaves both
    published.parent.mkdir(parents=True, exist_ok=True)
    fresh = published.with_name(f".{published.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        os.link(staged, fresh)  # staging keeps its own name for the same bytes, so publishing again is possible
    except OSError:
        shutil.copyfile(staged, fresh)
    fresh.replace(published)
