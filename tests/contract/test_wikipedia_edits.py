"""The real data set, read as its README describes it: every row counted, every label known at its time."""

import os
from pathlib import Path

import polars as pl
import pytest

from ml.contracts.intervals import Interval
from ml.datasets.find import find_dataset
from ml.ingest.ingest import publish_events, publish_labels, stage_events, stage_labels
from ml.ingest.lake import EventLake

DATA = Path(os.environ.get("TRAILGUARD_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "wikipedia-edits"
ALL = Interval.parse("2013-01-01", "2014-05-01")
DAY = Interval.parse("2014-03-05", "2014-03-06")

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason=f"the wikipedia-edits files are not in {DATA}; name their folder's parent in TRAILGUARD_TEST_DATA",
)


@pytest.fixture(scope="module")
def dataset():
    return find_dataset(str(DATA))


@pytest.fixture(scope="module")
def lake(dataset, tmp_path_factory):
    lake = EventLake(tmp_path_factory.mktemp("lake"))
    stage_events(dataset, ALL, lake)
    publish_events(ALL, lake)
    return lake


def test_every_event_of_the_data_set_is_accepted(lake):
    total = lake.staged("events", ALL).total
    assert (total.rows_in, total.accepted, total.duplicate, total.quarantined) == (559_251, 559_251, 0, 0)
    assert len(lake.partitions()) == 485


def test_the_lake_holds_the_accounts_and_pages_that_the_readme_counts(lake):
    events = pl.scan_parquet(lake.partitions(), hive_partitioning=False)
    counted = events.select(
        accounts=pl.col("user_id").n_unique(),
        pages=pl.col("item_id").n_unique(),
        events=pl.col("event_id").n_unique(),
        own_pages=(pl.col("own_page") == "1").sum(),
    ).collect()
    assert counted.row(0)[:3] == (28_511, 163_148, 559_251)
    assert counted["own_pages"][0] > 100_000


def test_every_label_is_accepted_with_its_kind(dataset, lake):
    staged = stage_labels(dataset, ALL, lake)
    assert publish_labels(ALL, lake).total.quarantined == 0
    assert (staged.total.accepted, staged.total.duplicate) == (14_317 + 13_020, 0)
    labels = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in lake.staged_partitions("labels", ALL))
    assert dict(labels.group_by("kind").len().iter_rows()) == {"vandalism": 14_317, "none": 13_020}
    assert labels["event_id"].null_count() == labels.height


def test_a_daily_run_gives_the_bytes_of_the_bulk_load(dataset, lake):
    bulk = {path: path.read_bytes() for path in lake.partitions()}
    accounting = lake.accounting("events", DAY)
    staged = stage_events(dataset, DAY, lake)
    publish_events(DAY, lake)
    assert staged.files == ("events/2014-03.csv.gz",)
    assert {path: path.read_bytes() for path in lake.partitions()} == bulk
    assert lake.accounting("events", DAY) == accounting
