"""The files of the simulated shop: what a stranger finds in the folder."""

import csv
import gzip
import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ml.datasets.descriptor import load_descriptor
from ml.datasets.marketplace import FolderTaken, Summary, World, WorldImpossible, simulate

SMALL = World(shoppers=400, items=300, days=21, anomalous_share=0.3)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("shop")
    return folder, simulate(SMALL, folder)


def rows(folder: Path, kind: str) -> list[tuple[str, dict[str, str]]]:
    """(the file's date, row) of each row of that kind of file."""
    found = []
    for path in sorted((folder / kind).glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            found += [(path.name.split(".")[0], row) for row in csv.DictReader(file)]
    return found


def digests(folder: Path) -> dict[str, str]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    simulate(replace(SMALL, dirt=0.0), folder)
    return folder


def test_the_same_world_is_the_same_bytes_and_another_seed_is_not(shop, tmp_path):
    folder, summary = shop
    assert simulate(SMALL, tmp_path / "again") == summary
    simulate(replace(SMALL, seed=8), tmp_path / "other")
    assert len(digests(folder)) > 40
    assert digests(tmp_path / "again") == digests(folder)
    same = digests(folder / "events").items() & digests(tmp_path / "other" / "events").items()
    assert not same


def test_the_summary_counts_what_the_files_hold(shop):
    folder, summary = shop
    assert len(rows(folder, "events")) == summary.rows > summary.events > 5_000
    assert len(rows(folder, "labels")) == summary.labels > 100
    assert summary.shoppers == {"honest": 280, **dict.fromkeys(SMALL.families, 20)}
    assert json.loads((folder / "world.json").read_text())["seed"] == SMALL.seed


def test_each_file_holds_its_day_in_the_order_of_time(clean):
    for kind, time in (("events", "occurred_at"), ("labels", "known_at")):
        found = rows(clean, kind)
        assert all(row[time].startswith(day) for day, row in found)
        assert [row[time] for _, row in found] == sorted(row[time] for _, row in found)


def test_every_day_has_its_files_even_an_idle_one(tmp_path):
    quiet = replace(SMALL, shoppers=10, families=())
    simulate(quiet, tmp_path)
    for kind, days in (("events", quiet.days), ("labels", quiet.days + 14)):
        expected = [f"{(quiet.start + timedelta(days=number)).isoformat()}.csv.gz" for number in range(days)]
        assert sorted(path.name for path in (tmp_path / kind).iterdir()) == expected
        headers = {gzip.decompress(path.read_bytes()).split(b"\n")[0] for path in (tmp_path / kind).iterdir()}
        assert len(headers) == 1
        assert headers != {b""}


def test_a_label_names_a_customer_or_their_event_and_comes_after_it(clean):
    events = {row["event_key"]: row for _, row in rows(clean, "events")}
    first_seen: dict[str, str] = {}
    for row in events.values():
        first_seen.setdefault(row["customer"], row["occurred_at"])
    labels = [row for _, row in rows(clean, "labels")]
    named = [row for row in labels if row["event_key"]]
    assert len(events) == len(rows(clean, "events"))
    assert len(named) > 50
    assert all(events[row["event_key"]]["customer"] == row["customer"] for row in named)
    assert all(events[row["event_key"]]["occurred_at"] < row["known_at"] for row in named)
    assert all(first_seen[row["customer"]] < row["known_at"] for row in labels)
    latest = date.fromisoformat(max(row["known_at"] for row in labels)[:10])
    assert latest <= SMALL.start + timedelta(days=SMALL.days + 14)


def test_a_label_of_an_event_fits_the_event(clean):
    events = {row["event_key"]: row for _, row in rows(clean, "events")}
    deeds = {
        (row["reason"], events[row["event_key"]]["action"]) for _, row in rows(clean, "labels") if row["event_key"]
    }
    assert {deed for deed in deeds if deed[0].startswith("fake")} == {
        ("fake_order", "order"),
        ("fake_review", "review"),
    }
    assert ("account_takeover", "order") in deeds


def test_nobody_is_labelled_bad_where_nobody_is_ever_found_out(tmp_path):
    simulate(replace(SMALL, detection=0.0), tmp_path)
    verdicts = Counter(row["verdict"] for _, row in rows(tmp_path, "labels"))
    assert set(verdicts) == {"good"}


def test_a_world_without_families_is_honest(tmp_path):
    summary = simulate(replace(SMALL, families=(), shoppers=1500), tmp_path)
    assert summary.shoppers == {"honest": 1500}
    assert {row["verdict"] for _, row in rows(tmp_path, "labels")} == {"good"}


def test_shoppers_simulated_in_parts_share_the_days_and_never_a_name(monkeypatch, tmp_path):
    monkeypatch.setattr("ml.datasets.marketplace.simulation.CHUNK", 90)
    summary = simulate(replace(SMALL, dirt=0.0), tmp_path)
    found = [row for _, row in rows(tmp_path, "events")]
    assert len({row["customer"] for row in found}) == SMALL.shoppers
    assert len({row["event_key"] for row in found}) == len(found) == summary.events
    assert len({row["visit"] for row in found}) == len({(row["visit"], row["customer"]) for row in found})
    assert [row["occurred_at"] for row in found] == sorted(row["occurred_at"] for row in found)


def test_dirt_adds_rows_and_spoils_none(clean, tmp_path):
    summary = simulate(replace(SMALL, dirt=0.05), tmp_path)
    whole = Counter(tuple(row.values()) for _, row in rows(clean, "events"))
    soiled = Counter(tuple(row.values()) for _, row in rows(tmp_path, "events"))
    added = soiled - whole
    assert not whole - soiled
    assert added.total() == summary.rows - summary.events
    assert 0.03 < added.total() / summary.events < 0.07
    repeated = sum(count for row, count in added.items() if row in whole)
    assert 0.3 < repeated / added.total() < 0.7


def test_the_shipped_descriptor_fits_the_files(shop):
    descriptor = load_descriptor("marketplace", shop[0])
    columns = descriptor.events.columns
    declared = {given.column for _, given in columns if given} | {
        extra.column or name for name, extra in descriptor.events.extras.items()
    }
    assert declared == set(rows(shop[0], "events")[0][1])
    labelled = {given.column for _, given in descriptor.labels.columns if given}
    assert labelled == set(rows(shop[0], "labels")[0][1])
    world = World()
    assert descriptor.demo.history_start == world.start
    assert descriptor.demo.history_end == world.day(world.days)


def test_a_folder_of_someone_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderTaken):
        simulate(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_new_world_replaces_an_old_one_whole(shop, tmp_path):
    simulate(replace(SMALL, days=28, seed=1), tmp_path)
    simulate(SMALL, tmp_path)
    assert digests(tmp_path) == digests(shop[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"shoppers": 3},
        {"stealth": 1.5},
        {"days": 2},
        {"families": ("pirates",)},
        {"families": ("burst", "burst")},
        {"arrivals": {"pirates": 3}},
        {"arrivals": {"burst": 75}},
        {"app_day": -1},
    ],
)
def test_an_impossible_world_is_refused_by_name(wrong):
    with pytest.raises(WorldImpossible, match=next(iter(wrong))):
        World(**wrong)
