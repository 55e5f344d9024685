"""A user's traces in the files of a deployment: found, taken out one file after another, and looked for everywhere.

Whoever calls has the lake to themselves (`ml.privacy.lock`).
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ml.contracts.lake import PENDING, part
from ml.errors import ExitCode, TrailguardError
from ml.files import write_text
from ml.ingest.guard import digest_of
from ml.ingest.partitions import publish_days
from ml.privacy.one_file import TraceLeft, count_rows, erase_from, read_texts, search_file
from ml.privacy.traces import Traces, user_columns

DERIVED = {"events", "items"}  # partitions that are published anew: what they say of items follows from all users
FROZEN = {"models", "bundle", "backbone"}  # folders with a digest on record: searched, never changed
UNFINISHED = re.compile(r"^\.(\d+\..+|\d{4}-\d\d-\d\d_\d{4}-\d\d-\d\d)$")  # what a stage that died was writing


class PublicationBrokenOff(TrailguardError):
    """A publication of events was broken off, so that the days it wrote cannot be told from those it did not.

    Run ingest_events for those days again, then erase.
    """

    exit_code = ExitCode.ABSENT


@dataclass(frozen=True)
class Touched:
    """What was done in one place. rows: taken out or blanked; of a text, how often it mentioned the user."""

    files: int = 0
    rows: int = 0

    def and_in(self, rows: int) -> "Touched":
        """And so many rows of one more file."""
        return Touched(self.files + 1, self.rows + rows) if rows else self


NOTHING = Touched()


@dataclass(frozen=True)
class UserFiles:
    """lake: the deployment's. docs: the folder of the validations' pages."""

    lake: Path
    docs: Path

    def find(self, digest: str) -> str | None:
        """The user whose digest that is, as far as any column of any table names them."""
        self._drop_unfinished()
        met: set[str | None] = {None}
        for _, path in self._files():
            for rows in read_texts(path) if path.suffix == ".parquet" else ():
                new = {user for name in user_columns(rows.schema) for user in rows[name].unique().to_pylist()} - met
                found = next((user for user in new if digest_of(user) == digest), None)
                if found is not None:
                    return found
                met |= new
        return None

    def erase(self, traces: Traces) -> dict[str, Touched]:
        """Place -> what was done there. Doing it again, also after it was broken off, leaves the same files.

        Raises PublicationBrokenOff.
        """
        self._drop_unfinished()
        touched = {"events": self._erase_events(traces)}
        for place, path in self._files():
            inside = path.relative_to(self.lake).parts if place != self.docs.name else ()
            if place not in DERIVED and FROZEN.isdisjoint(inside):
                touched[place] = touched.get(place, NOTHING).and_in(erase_from(path, traces))
        return {place: done for place, done in touched.items() if done.rows}

    def search(self, traces: Traces) -> dict[str, int]:
        """How many files and how many values in them were looked at. Raises TraceLeft, naming file and column."""
        files = values = 0
        for _, path in self._files():
            files, values = files + 1, values + search_file(path, traces)
            if traces.telling and traces.words.search(path.name):
                raise TraceLeft(file=path, in_its="name")
        return {"files": files, "values": values}

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Each file with its place: the lake's folder that it is in, or the pages'."""
        for path in sorted(path for path in self.lake.rglob("*") if path.is_file()):
            yield path.relative_to(self.lake).parts[0], path
        for path in sorted(path for path in self.docs.rglob("*") if path.is_file()):
            yield self.docs.name, path

    def _drop_unfinished(self) -> None:
        """No stage is under way, so nobody is going to finish them, and half a table cannot be read."""
        for root in (self.lake, self.docs):
            for path in [path for path in root.rglob(".*") if UNFINISHED.match(path.name)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _erase_events(self, traces: Traces) -> Touched:
        """Publishes the days anew on which the user did something or is mentioned, and those of an erasure that was
        broken off."""
        events, touched = self.lake / "events", NOTHING
        marker = events / PENDING / "erasing"
        wanted = _days_of(marker.read_text()) if marker.exists() else set()
        for path in sorted(events.glob("ds=*/*.parquet")):
            if rows := count_rows(path, traces):
                touched = touched.and_in(rows)
                wanted.add(date.fromisoformat(path.parent.name.removeprefix("ds=")))
        if wanted:
            _require_published(events, marker)
            write_text(marker, f"{min(wanted)}_{max(wanted)}")
            publish_days(self.lake, {day: part(events, day) for day in wanted}, change=traces.remove)
            marker.unlink()
        return touched


def _require_published(events: Path, marker: Path) -> None:
    """Raises PublicationBrokenOff where somebody else's publication has left days half done."""
    mine = marker.read_text() if marker.exists() else ""
    others = sorted({path.name for path in (events / PENDING).glob("*_*")} - {mine})
    if others:
        raise PublicationBrokenOff(days=", ".join(others))


def _days_of(span: str) -> set[date]:
    first, last = map(date.fromisoformat, span.split("_"))
    return {first + timedelta(days=number) for number in range((last - first).days + 1)}
