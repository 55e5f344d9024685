"""Ten thousand rows of bad input: each is accepted, a duplicate or quarantined, and nothing else happens."""

import re
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from ml.contracts.intervals import Interval
from ml.contracts.quarantine import QUARANTINE_SCHEMA
from ml.datasets.descriptor import load_descriptor
from ml.errors import ExitCode, TrailguardError
from ml.ingest.batch import RAW_KEPT
from ml.ingest.ingest import publish_events, publish_labels, stage_events, stage_labels
from ml.ingest.lake import EventLake
from tests.bad_input import DESCRIPTOR, FORMATS, Drop, drops

DAYS = Interval.parse("2014-03-01", "2014-03-03")
STAGES = {"events": (stage_events, publish_events), "labels": (stage_labels, publish_labels)}
ROWS = 10_000
RUN = settings(max_examples=18, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


class Shop:
    """A folder with a dataset and a lake in it."""

    def __init__(self, root: Path, stream: str, suffix: str, files: list[Drop]):
        self.root, self.stream, self.files = root, stream, {f"{stream}/{file.name}": file for file in files}
        self.lake = EventLake(root / "lake")
        root.mkdir()
        (root / "dataset.yaml").write_text(DESCRIPTOR.format(suffix=suffix), encoding="utf-8")
        for name, file in self.files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(file.data)

    def ingest(self):
        stage, publish = STAGES[self.stream]
        staged = stage(load_descriptor(self.root / "dataset.yaml"), DAYS, self.lake)
        assert publish(DAYS, self.lake) == staged
        return staged

    def may_be_refused(self) -> bool:
        """Only a file that is damaged, or so small that not one of its rows need have a time, is refused as a whole."""
        return any(file.rows is None or file.rows < 9 for file in self.files.values())

    def contents(self, folder: Path) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    def outside(self) -> dict[str, bytes]:
        found = self.contents(self.root.parent)
        return {path: data for path, data in found.items() if not path.startswith(f"{self.lake.root}/")}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("stream", STAGES)
def test_of_ten_thousand_bad_rows_none_is_lost_and_nothing_crashes(stream, suffix):
    """A tenth of them for each stream in each format."""
    seen, reasons, refused = Counter(), Counter(), Counter()

    @RUN
    @given(drops(stream, suffix))
    def ingest_any(files):
        with tempfile.TemporaryDirectory() as folder:
            shop = Shop(Path(folder) / "shop", stream, suffix, files)
            try:
                total = ingest_twice(shop)
            except TrailguardError as error:
                refused[type(error).__name__] += 1
                if error.exit_code is not ExitCode.REFUSED or not shop.may_be_refused():
                    raise
            else:
                counts = ("rows_in", "accepted", "duplicate", "quarantined")
                seen.update({name: getattr(total, name) for name in counts})
                reasons.update(total.reasons)

    ingest_any()
    assert seen["rows_in"] >= ROWS / (len(STAGES) * len(FORMATS))
    assert seen["rows_in"] == seen["accepted"] + seen["duplicate"] + seen["quarantined"]
    assert min(seen["accepted"], seen["quarantined"]) > seen["rows_in"] / 20
    assert seen["duplicate"] > seen["rows_in"] / 100
    assert len(reasons) >= 9
    assert refused or suffix in (".csv", ".jsonl")  # a damaged file of text is mostly rows


def ingest_twice(shop: Shop):
    """Ingests, checks all that is left, does it again and sees no change. Returns the accounting."""
    before = shop.outside()
    staged = shop.ingest()
    first = shop.contents(shop.lake.root)
    for part in (*staged.days, *staged.undated, staged.total):
        assert part.rows_in == part.accepted + part.duplicate + part.quarantined
        assert sum(part.reasons.values()) == part.quarantined
    assert staged.rows_read == staged.outside + staged.total.rows_in
    held = [file.rows for file in shop.files.values()]
    assert None in held or staged.rows_read == sum(held)
    assert_rows_lie_where_they_are_counted(shop, staged)
    assert_refused_rows_are_kept(shop, staged)
    assert shop.ingest() == staged
    assert shop.contents(shop.lake.root) == first
    assert shop.outside() == before
    return staged.total


def assert_rows_lie_where_they_are_counted(shop: Shop, staged) -> None:
    for day in staged.days:
        (path,) = [*shop.lake.staging(shop.stream, DAYS).glob(f"ds={day.ds}/*"), None][:1]
        assert (pq.read_metadata(path).num_rows if path else 0) == day.accepted
        assert shop.lake.accounting(shop.stream, Interval.parse(day.ds, f"{day.ds}T23:00")) == day
    if shop.stream == "events":
        published = [pq.read_metadata(path).num_rows for path in shop.lake.partitions()]
        assert sum(published) == staged.total.accepted


def assert_refused_rows_are_kept(shop: Shop, staged) -> None:
    """Each with a reason, a place and its text."""
    paths = shop.lake.root.glob(f"quarantine/{shop.stream}/*/*.parquet")
    kept = pl.concat([pl.DataFrame(schema=pl.Schema(QUARANTINE_SCHEMA)), *map(read_quarantine, paths)])
    assert kept.height == staged.total.quarantined
    for file, line, _column, reason, raw in kept.iter_rows():
        assert re.fullmatch("[a-z][a-z0-9_]+", reason)
        assert line >= 1
        if lines := shop.files[file].lines:
            written = lines[line].decode("utf-8", errors="backslashreplace")
            assert raw.split("\n")[0].rstrip("\r") == written[:RAW_KEPT].rstrip("\r")


def read_quarantine(path: Path) -> pl.DataFrame:
    table = pq.read_table(path, partitioning=None)
    assert table.schema.equals(QUARANTINE_SCHEMA)
    return pl.DataFrame(table)
