"""Label files of any content, from the file to PostgreSQL: what is sound lands once, the rest is quarantined."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.contracts.intervals import Interval
from ml.datasets.descriptor import load_descriptor
from ml.errors import TrailguardError
from ml.ingest.accounting import Accounting
from ml.ingest.ingest import publish_labels, stage_labels
from ml.ingest.label_store import LabelStore
from ml.ingest.lake import EventLake
from tests.bad_input import DESCRIPTOR, FORMATS, TRICKS, drops

DAYS = Interval.parse("2014-03-01", "2014-03-03")
END = datetime(2100, 1, 1, tzinfo=UTC)
RUN = settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
REFUSED = {
    "NUL": ("u\0", "control_character"),
    "a bell": ("u\a", "control_character"),
    "half a character": ("\ud800", "not_utf8"),
    "a megabyte": ("u" * 2**20, "line_too_long"),
    "a thousand characters": ("u" * 1000, "value_too_long"),
    "nothing": ("", "missing_user_id"),
    "blanks": ("  ", "missing_user_id"),
    "a list": (["u"], "nested_value"),
}


@pytest.fixture
def store(url_of: Callable[[str], str], empty_labels: Callable[[], None]) -> LabelStore:
    empty_labels()
    return LabelStore(url_of("trailguard_writer"))


def ingest(folder: Path, suffix: str, files: dict[str, bytes], store: LabelStore) -> tuple[Accounting, int]:
    """What the stages read-labels and publish-labels do. Returns the accounting and how many labels were added."""
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "dataset.yaml").write_text(DESCRIPTOR.format(suffix=suffix))
    for name, data in files.items():
        (folder / "labels" / name).write_bytes(data)
    lake = EventLake(folder / "lake")
    staged = stage_labels(load_descriptor(folder / "dataset.yaml"), DAYS, lake)
    added = store.append(lake.staged_labels(DAYS))
    store.record_partitions("labels", publish_labels(DAYS, lake).days)
    return staged.total, added


def label_line(user: object, **changed: object) -> bytes:
    row = {"user": user, "event": None, "verdict": "1", "why": "bot", "sure": "1", "told": "2014-03-01T10:00:00Z"}
    return json.dumps(row | changed).encode() + b"\n"


def test_any_label_files_land_once_in_the_table(store, empty_labels):
    seen = {"accepted": 0, "quarantined": 0}

    @RUN
    @given(st.sampled_from(FORMATS).flatmap(lambda suffix: st.tuples(st.just(suffix), drops("labels", suffix))))
    def ingest_any(drawn):
        suffix, files = drawn
        empty_labels()
        with tempfile.TemporaryDirectory() as folder:
            data = {file.name: file.data for file in files}
            try:
                total, added = ingest(Path(folder), suffix, data, store)
            except TrailguardError:
                return
            assert added == total.accepted == store.known_at(END).num_rows
            assert ingest(Path(folder), suffix, data, store) == (total, 0)
            for name in seen:
                seen[name] += getattr(total, name)

    ingest_any()
    assert min(seen.values()) > 300


def test_names_that_look_like_commands_are_names(store, tmp_path):
    users = [user for user in TRICKS if user.strip()]
    lines = b"".join(label_line(user, event=user, why=user) for user in users)
    total, added = ingest(tmp_path, ".jsonl", {"a.jsonl": lines}, store)
    assert added == total.accepted == len(users)
    known = store.known_at(END)
    assert sorted(known["user_id"].to_pylist()) == sorted(users)
    assert known["user_id"].to_pylist() == known["event_id"].to_pylist() == known["kind"].to_pylist()


@pytest.mark.parametrize("case", REFUSED)
def test_a_user_that_no_table_takes_is_quarantined_with_a_reason(store, tmp_path, case):
    user, reason = REFUSED[case]
    total, added = ingest(tmp_path, ".jsonl", {"a.jsonl": label_line("ann") + label_line(user)}, store)
    assert (added, total.accepted, total.quarantined, total.reasons) == (1, 1, 1, {reason: 1})
    assert store.known_at(END)["user_id"].to_pylist() == ["ann"]
    kept = pl.read_parquet(tmp_path / "lake/quarantine/labels/*/*.parquet", hive_partitioning=False)
    assert kept["source_line"].to_list() == [2]


@pytest.mark.parametrize("column", ["event", "why"])
def test_a_nul_in_any_column_of_a_label_is_quarantined(store, tmp_path, column):
    lines = label_line("ann") + label_line("bob", **{column: "a\0b"})
    total, added = ingest(tmp_path, ".jsonl", {"a.jsonl": lines}, store)
    assert (added, total.reasons) == (1, {"control_character": 1})
