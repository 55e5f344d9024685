"""A user is taken out of every file, whatever happens meanwhile, and what names them still is found."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.contracts.intervals import DAY
from ml.contracts.lake import PENDING, pending_since
from ml.contracts.quarantine import QUARANTINE_SCHEMA
from ml.ingest import partitions
from ml.ingest.guard import digest_of
from ml.privacy.files import PublicationBrokenOff, Touched, UserFiles
from ml.privacy.lock import hold_lake
from ml.privacy.one_file import TraceLeft
from ml.privacy.traces import Traces
from ml.training.snapshot import Snapshot, make_snapshot
from tests.score_rows import score_rows
from tests.trails import EXTRAS, START, random_events, staggered_labels, telling_events, write_lake

ANN = Traces("ann-471147")


def contents(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def files_of(lake: Path) -> UserFiles:
    return UserFiles(lake, lake.parent / "docs")


def write(path: Path, rows: pa.Table | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rows) if isinstance(rows, str) else pq.write_table(rows, path)
    return path


def of_ann(events: pa.Table) -> pa.Table:
    """The events of u003 are Ann's."""
    users = pc.if_else(pc.equal(events["user_id"], "u003"), ANN.user_id, events["user_id"])
    return events.set_column(events.column_names.index("user_id"), events.schema.field("user_id"), users)


@pytest.fixture
def lakes(tmp_path) -> tuple[Path, Path]:
    """One with Ann's events, one that has never seen them."""
    events = of_ann(random_events())
    write_lake(tmp_path / "with", events)
    write_lake(tmp_path / "without", events.filter(pc.not_equal(events["user_id"], ANN.user_id)))
    return tmp_path / "with", tmp_path / "without"


def test_the_events_are_byte_for_byte_those_of_a_lake_that_never_saw_the_user(lakes):
    lake, never = lakes
    assert contents(lake) != contents(never)
    touched = files_of(lake).erase(ANN)
    assert touched["events"].rows > 10
    assert contents(lake) == contents(never)
    assert files_of(lake).erase(ANN) == {}


@pytest.mark.parametrize("writes", [5, 70])
def test_an_erasure_that_was_killed_goes_on_to_the_same_end_and_nobody_reads_meanwhile(lakes, monkeypatch, writes):
    lake, never = lakes
    place, done = partitions._place, []

    def killed(*arguments: object) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(arguments)
        place(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(partitions, "_place", killed)
        with pytest.raises(KeyboardInterrupt):
            files_of(lake).erase(ANN)
    assert pending_since(lake / "events") is not None
    files_of(lake).erase(ANN)
    assert contents(lake) == contents(never)


def test_a_publication_that_was_broken_off_is_not_taken_for_done(lakes):
    lake, _ = lakes
    (lake / "events" / PENDING / "2024-01-01_2024-02-01").touch()
    with pytest.raises(PublicationBrokenOff, match="2024-01-01_2024-02-01"):
        files_of(lake).erase(ANN)
    assert pending_since(lake / "events") is not None


def test_a_user_who_did_nothing_takes_nothing_with_them(lakes):
    before = contents(lakes[0])
    assert files_of(lakes[0]).erase(Traces("nobody-471148")) == {}
    assert contents(lakes[0]) == before


QUARANTINED = [
    ("events.csv", 2, "event_type", "missing_event_type", "ann-471147,2024-01-01,,i1"),
    ("events.csv", 3, None, "not_json", '{"user": "ann-471147", '),
    ("events.csv", 4, "event_type", "missing_event_type", "ann-4711470,2024-01-01,,i1"),
]


@pytest.fixture
def kept(tmp_path) -> Path:
    """What stages keep beside events, each with Ann and with Bob."""
    lake, two = tmp_path / "lake", score_rows(**{"ann-471147": 0.9, "bob": 0.1})
    rows = [dict(zip(QUARANTINE_SCHEMA.names, row, strict=True)) for row in QUARANTINED]
    write(lake / "quarantine/events/ds=undated/a.parquet", pa.Table.from_pylist(rows, schema=QUARANTINE_SCHEMA))
    write(lake / "staging/labels/2024-01-01_2024-01-02/ds=2024-01-01/part-0.parquet", two)
    folder = lake / "scores/ds=2024-01-01/version=1"
    write(folder / "shard-0-of-1.parquet", two.replace_schema_metadata({b"seconds": b"3.5"}))
    write(folder / "flags.parquet", two)
    write(folder / "suggestions.csv", '"rank","user_id"\n1,"ann-471147"\n2,"bob"\n')
    write(lake / "training/as_of=2024-01-01/heldout.parquet", two)
    write(lake / "training/as_of=2024-01-01/doubt/beliefs.parquet", two)
    write(lake / "training/as_of=2024-01-01/comparison/predictions.parquet", two)
    write(lake / "later/what_nobody_thought_of.parquet", pa.table({"last_user": ["ann-471147", None], "n": [1, 2]}))
    write(lake / "validations/labels/ds=2024-01-01.json", json.dumps({"seen": ["ann-471147", "bob"]}))
    write(tmp_path / "docs/labels/ds=2024-01-01.html", "<p>ann-471147, bob")
    return lake


def test_every_place_is_searched_and_emptied_of_the_user_alone(kept):
    with pytest.raises(TraceLeft):
        files_of(kept).search(ANN)
    touched = files_of(kept).erase(ANN)
    assert touched == {
        "quarantine": Touched(1, 2),
        "staging": Touched(1, 1),
        "scores": Touched(3, 3),
        "training": Touched(3, 3),
        "later": Touched(1, 1),
        "validations": Touched(1, 1),
        "docs": Touched(1, 1),
    }
    searched = files_of(kept).search(ANN)
    assert searched["files"] == 11
    assert searched["values"] > 11
    shard = pq.ParquetFile(kept / "scores/ds=2024-01-01/version=1/shard-0-of-1.parquet")
    assert shard.read()["user_id"].to_pylist() == ["bob"]
    assert shard.schema_arrow.metadata[b"seconds"] == b"3.5"
    assert (kept / "scores/ds=2024-01-01/version=1/suggestions.csv").read_text().split() == ["rank,user_id", "2,bob"]
    refused = pq.ParquetFile(kept / "quarantine/events/ds=undated/a.parquet").read().to_pylist()
    assert [row["raw"] for row in refused] == ["", "", "ann-4711470,2024-01-01,,i1"]
    assert [(row["source_line"], row["reason"]) for row in refused] == [(row[1], row[3]) for row in QUARANTINED]


def test_nothing_of_it_is_left_in_the_bytes_of_any_file(kept):
    files_of(kept).erase(ANN)
    for path in [*kept.rglob("*"), *(kept.parent / "docs").rglob("*")]:
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            pq.write_table(table, path, compression="none", use_dictionary=False)
        assert not path.is_file() or b"ann-471147" not in path.read_bytes().replace(b"ann-4711470", b""), path


def test_what_others_say_of_the_user_is_blanked_in_texts_of_theirs(lakes):
    lake, _ = lakes
    notes = ["sold by ann-471147!", "ann-4711470 is another", None]
    write(lake / "later/reviews.parquet", pa.table({"user_id": ["bob", "cem", "dan"], "note": notes}))
    assert files_of(lake).erase(ANN)["later"] == Touched(1, 1)
    found = pq.ParquetFile(lake / "later/reviews.parquet").read()
    assert found["note"].to_pylist() == ["sold by [erased]!", "ann-4711470 is another", None]
    assert len(found) == 3


def test_an_id_that_may_be_anything_is_looked_for_only_where_users_are_named(tmp_path):
    rows = pa.table({"user_id": ["17", "18"], "item_id": ["17", "17"], "raw": ["17,i1", "18,i17"]})
    path = write(tmp_path / "lake/later/some.parquet", rows)
    write(tmp_path / "lake/later/counts.json", '{"users": 17}')
    files_of(tmp_path / "lake").erase(Traces("17"))
    assert pq.ParquetFile(path).read().to_pylist() == [{"user_id": "18", "item_id": "17", "raw": "18,i17"}]
    assert files_of(tmp_path / "lake").search(Traces("17"))["files"] == 2


@pytest.mark.parametrize("file", ["models/trailguard/3/featurizer.json", "training/as_of=2024-01-01/bundle/model.onnx"])
def test_a_model_is_never_changed_and_one_that_names_the_user_is_told_of(tmp_path, file):
    path = write(tmp_path / "lake" / file, "\x00 ann-471147 \x00")
    files_of(tmp_path / "lake").erase(ANN)
    assert "ann-471147" in path.read_text()
    with pytest.raises(TraceLeft, match=path.name):
        files_of(tmp_path / "lake").search(ANN)


def test_what_a_dead_stage_was_writing_is_removed(tmp_path):
    lake = tmp_path / "lake"
    write(lake / "scores/ds=2024-01-01/.4711.shard-0-of-1.parquet", "half a table with ann-471147")
    write(lake / "staging/events/.2024-01-01_2024-01-02/tmp1/0.arrow", "ann-471147")
    write(lake / "staging/events/.2024-01-01_2024-01-02.lock", "")
    files_of(lake).erase(ANN)
    assert set(contents(lake)) == {"staging/events/.2024-01-01_2024-01-02.lock"}


def test_a_user_is_found_although_a_stage_died_while_it_wrote_a_table(tmp_path):
    write(tmp_path / "lake/later/some.parquet", pa.table({"user_id": ["bob"]}))
    write(tmp_path / "lake/events/ds=2024-01-01/.4711.part.parquet", "half a table")
    assert files_of(tmp_path / "lake").find(digest_of("bob")) == "bob"


def test_a_user_is_found_by_their_digest_wherever_a_column_names_them(kept):
    assert files_of(kept).find(digest_of("ann-471147")) == "ann-471147"
    assert files_of(kept).find(digest_of("bob")) == "bob"
    assert files_of(kept).find(digest_of("cem")) is None


def test_a_snapshot_keeps_its_fingerprint_and_tells_how_many_were_erased(tmp_path):
    lake, folder = tmp_path / "lake", tmp_path / "lake/training/as_of=2024-02-20"
    write_lake(lake, telling_events())
    taken = make_snapshot(
        lake / "events",
        staggered_labels(),
        as_of=START + 50 * DAY,
        label_delay=timedelta(days=10),
        window=8,
        extras=EXTRAS,
        out=folder,
    )
    np.savez(folder / "checkpoint.npz", weights=np.zeros(3))
    user = taken.users["user_id"][0].as_py()
    files_of(lake).erase(Traces(user))
    left = Snapshot.load(folder)
    left.require(taken.fingerprint)
    assert (taken.erased, left.erased) == (0, 1)
    assert user not in left.users["user_id"].to_pylist()
    assert user not in left.sequences.user_ids.to_pylist()
    assert len(left.sequences) == len(taken.sequences) - 1
    assert not (folder / "checkpoint.npz").exists()
    files_of(lake).erase(Traces(user))
    assert Snapshot.load(folder).erased == 1


WAIT = """
import sys
from pathlib import Path
from ml.privacy.lock import hold_lake
print("asks", flush=True)
with hold_lake(Path(sys.argv[1]), alone=sys.argv[2] == "alone"):
    print("has it", flush=True)
"""


def ask(lake: Path, how: str) -> subprocess.Popen:
    asking = subprocess.Popen(
        [sys.executable, "-c", WAIT, str(lake), how], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert asking.stdout.readline() == "asks\n"
    return asking


def hears(asking: subprocess.Popen) -> str:
    asking.wait(10)
    with asking.stdout as heard:
        return heard.read()


@pytest.mark.parametrize(("first", "second"), [(False, "alone"), (True, "shared"), (True, "alone")])
def test_an_erasure_and_a_stage_wait_for_each_other(tmp_path, first, second):
    with hold_lake(tmp_path, alone=first):
        asking = ask(tmp_path, second)
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(0.3)
    assert hears(asking) == "has it\n"


def test_stages_share_the_lake(tmp_path):
    with hold_lake(tmp_path, alone=False):
        assert hears(ask(tmp_path, "shared")) == "has it\n"
