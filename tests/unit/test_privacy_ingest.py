"""Users under a keyed hash, and erased users who do not come back."""

import time

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.intervals import Interval
from ml.datasets.descriptor import load_descriptor
from ml.ingest.batch import Batch
from ml.ingest.guard import Guard, digest_of
from ml.ingest.ingest import publish_events, publish_labels, stage_events, stage_labels
from ml.ingest.lake import EventLake
from ml.ingest.pseudonyms import PseudonymKeyChanged, Pseudonyms

DAY = Interval.parse("2014-03-01", "2014-03-02")
KEY = "k" * 32
SHOP = """\
name: shop
events:
  files: FILE
  columns: {user_id: user, event_time: at, event_type: kind, item_id: item}
labels:
  columns:
    label: {column: bad, values: {"1": 1, "0": 0}}
    event_id: {derived: true}
    kind: {value: fraud}
    observed_at: {column: at, format: iso8601, zone: UTC}
label_delay_days: 0
"""
CSV = """\
user,at,kind,item,bad
ann-4711,2014-03-01T10:00:00Z,view,i1,1
bob-4712,2014-03-01T11:00:00Z,view,i1,
bob-4712,2014-03-01T11:00:00Z,view,i1,
ann-4711,2014-03-01T12:00:00Z,,i1,
ann-4711,yesterday,view,i1,
"ann-4711\x07",2014-03-01T13:00:00Z,view,i1,
"ann-4711"broken,2014-03-01T13:00:00Z,view,i1,
ann-4711,2014-03-01T13:00:00Z
cem-4713,2014-03-01T14:00:00Z,order,i2,0
"""
JSON = "\n".join(
    f'{{"user": {user}, "at": "2014-03-01T1{hour}:00:00Z", "kind": {kind}, "item": "i1", "bad": "1"}}'
    for hour, (user, kind) in enumerate([('"ann-4711"', '"view"'), ('"ann-4711"', "null"), ('["ann-4711"]', '"view"')])
)
FILES = {"events.csv": CSV, "events.jsonl": JSON + "\n"}


def open_shop(folder, file):
    (folder / file).write_text(FILES[file])
    (folder / "dataset.yaml").write_text(SHOP.replace("FILE", file))
    return load_descriptor(folder / "dataset.yaml")


@pytest.fixture(params=FILES)
def shop(request, tmp_path):
    return open_shop(tmp_path, request.param)


@pytest.fixture
def csv_shop(tmp_path):
    return open_shop(tmp_path, "events.csv")


def ingest(shop, root, guard):
    """The lake, and what became of events and labels."""
    lake, counted = EventLake(root), []
    for stage, publish in ((stage_events, publish_events), (stage_labels, publish_labels)):
        counted.append(stage(shop, DAY, lake, guard).total)
        publish(DAY, lake)
    return lake, counted


def values(root):
    """Every text in every table below the folder, and every other file."""
    tables = [pq.ParquetFile(path).read() for path in root.rglob("*.parquet")]
    texts = {str(value) for table in tables for column in table.columns for value in column.to_pylist()}
    return texts | {path.read_text(errors="replace") for path in root.rglob("*") if path.suffix in (".json", ".csv")}


def events_of(lake):
    return pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in lake.partitions())


def test_under_a_key_no_id_stands_in_clear_anywhere_and_the_same_rows_are_accepted(shop, tmp_path):
    clear, counts = ingest(shop, tmp_path / "clear", Guard())
    veiled, veiled_counts = ingest(shop, tmp_path / "veiled", Guard(Pseudonyms(KEY)))
    assert any("4711" in text for text in values(clear.root))
    assert not [text for text in values(veiled.root) if "4711" in text]
    assert veiled_counts == counts
    assert counts[0].quarantined > 0
    assert min(count.accepted for count in counts) > 0
    expected = {Pseudonyms(KEY).of(user) for user in events_of(clear)["user_id"]}
    assert set(events_of(veiled)["user_id"]) == expected


def test_a_label_still_names_its_event_under_a_key(csv_shop, tmp_path):
    lake, _ = ingest(csv_shop, tmp_path / "lake", Guard(Pseudonyms(KEY)))
    labels = lake.staged_labels(DAY)
    assert set(labels["event_id"].to_pylist()) <= set(events_of(lake)["event_id"])
    clear, _ = ingest(csv_shop, tmp_path / "clear", Guard())
    in_clear = set(events_of(clear)["event_id"])
    assert in_clear.isdisjoint(events_of(lake)["event_id"]), "what is derived from an id tells it"


def test_another_key_or_none_is_refused_by_a_lake_and_its_files_stay(csv_shop, tmp_path):
    lake, _ = ingest(csv_shop, tmp_path / "lake", Guard(Pseudonyms(KEY)))
    before = lake.fingerprint()
    for guard in (Guard(Pseudonyms("o" * 32)), Guard()):
        with pytest.raises(PseudonymKeyChanged) as refused:
            stage_events(csv_shop, DAY, lake, guard)
        assert KEY not in str(refused.value)
    assert lake.fingerprint() == before
    clear, _ = ingest(csv_shop, tmp_path / "clear", Guard())
    with pytest.raises(PseudonymKeyChanged, match="filled_under=no key"):
        stage_events(csv_shop, DAY, clear, Guard(Pseudonyms(KEY)))


def test_a_lake_of_an_earlier_version_was_filled_in_clear(csv_shop, tmp_path):
    lake, _ = ingest(csv_shop, tmp_path / "lake", Guard())
    (lake.root / "identity.json").unlink()
    with pytest.raises(PseudonymKeyChanged, match="filled_under=no key"):
        stage_events(csv_shop, DAY, lake, Guard(Pseudonyms(KEY)))
    stage_events(csv_shop, DAY, lake, Guard())


def test_a_pseudonym_is_the_first_half_of_the_keyed_sha256():
    """RFC 4231, test case 2, with its key."""
    assert Pseudonyms("Jefe").of("what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c7"


def test_an_erased_user_is_counted_and_nothing_is_kept_of_them(shop, tmp_path):
    _, before = ingest(shop, tmp_path / "before", Guard())
    lake, after = ingest(shop, tmp_path / "lake", Guard(erased=frozenset({digest_of("ann-4711")})))
    for old, new in zip(before, after, strict=True):
        assert new.rows_in == old.rows_in == new.accepted + new.duplicate + new.quarantined
        assert new.reasons["erased"] > 0
        assert new.accepted < old.accepted
    assert not [text for text in values(lake.root) if "ann-4711" in text]


def test_an_erased_user_stays_out_under_a_key_as_well(csv_shop, tmp_path):
    pseudonyms = Pseudonyms(KEY)
    name = pseudonyms.of("ann-4711")
    lake, (events, _) = ingest(csv_shop, tmp_path / "lake", Guard(pseudonyms, frozenset({digest_of(name)})))
    assert events.reasons["erased"] == 3
    assert not [text for text in values(lake.root) if name in text or "4711" in text]


def test_erased_rows_are_no_fault_of_the_file(csv_shop, tmp_path):
    lake = EventLake(tmp_path / "lake")
    before = stage_events(csv_shop, DAY, lake)
    after = stage_events(csv_shop, DAY, lake, Guard(erased=frozenset(map(digest_of, ["bob-4712", "cem-4713"]))))
    assert after.total.quarantined > before.total.quarantined
    assert after.quarantined_share == before.quarantined_share


def test_a_million_rows_are_veiled_in_a_second_or_two(csv_shop):
    users = pa.array([f"user-{number % 100_000}" for number in range(1_000_000)])
    texts = pa.table({"user": users, "at": ["2014-03-01"] * len(users), "kind": ["view"] * len(users)})
    batch = Batch(texts, pa.array(range(len(users))), users)
    began = time.perf_counter()
    veiled = Pseudonyms(KEY).veil(batch, frozenset({"user"}))
    assert time.perf_counter() - began < 5
    assert veiled.texts["user"][99_999].as_py() == Pseudonyms(KEY).of("user-99999")
