"""What the lake holds depends on the files and the interval alone: not on order, repetition or who came first."""

import gzip
import random
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA
from ml.contracts.lake import ORDER, lake_schema
from ml.datasets.descriptor import load_descriptor
from ml.errors import ExitCode, InputAbsent
from ml.ingest.accounting import RowsUnaccounted
from ml.ingest.batch import ColumnAbsent
from ml.ingest.ingest import LabelsUndeclared, publish_events, publish_labels, stage_events, stage_labels
from ml.ingest.lake import EventLake
from ml.ingest.reading import FolderUnknown, PeriodWrong, TimesUnreadable
from ml.ingest.source import SourceUnreadable
from ml.sequences.build import Selection, build_sequences
from ml.training.verdicts import find_anomalous

MARCH = Interval.parse("2014-03-01", "2014-04-01")
FIFTH = Interval.parse("2014-03-05", "2014-03-06")
HEADER = "id,user,at,kind,price\n"
SHOP = """\
name: shop
events:
  files: "{files}"
  columns: {{event_id: id, user_id: user, event_time: at, event_type: kind, amount: price}}
label_delay_days: 0
"""


@pytest.fixture
def shop(tmp_path):
    """Writes files into a dataset's folder and returns its descriptor."""

    def write(files: str, texts: dict[str, str | bytes], descriptor: str = SHOP):
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        (tmp_path / "dataset.yaml").write_text(descriptor.format(files=files))
        return load_descriptor(tmp_path / "dataset.yaml")

    return write


@pytest.fixture
def lake(tmp_path):
    return EventLake(tmp_path / "lake")


def ingest(descriptor, interval, lake):
    staged = stage_events(descriptor, interval, lake)
    publish_events(interval, lake)
    return staged


def contents(lake):
    """Every published file's bytes, by its place."""
    published = [path for kind in ("events", "quarantine", "accounting") for path in lake.root.glob(f"{kind}/**/*.*")]
    return {str(path.relative_to(lake.root)): path.read_bytes() for path in published if path.is_file()}


def march_lines(count=400, seed=0):
    """Rows all over March with repeats, contradictions, bad users and unreadable times among them."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    lines = [
        f"e{rng.randrange(300)},u{rng.randrange(20)},2014-03-{rng.randrange(1, 32):02}T0{rng.randrange(9)}:00:00Z,view,"
        for _ in range(count)
    ]
    lines += [
        f"e{i},u1,2014-03-05T00:00:00Z,{kind},{price}" for i in range(5) for kind in "ab" for price in ("", "1", "1")
    ]
    return (
        lines
        + [f"b{i},,2014-03-0{i + 1}T00:00:00Z,view," for i in range(5)]
        + [f"t{i},u,never,view," for i in range(5)]
    )


def test_a_daily_run_over_a_monthly_file_leaves_the_bytes_of_the_bulk_run(shop, tmp_path):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    bulk, daily = EventLake(tmp_path / "bulk"), EventLake(tmp_path / "daily")
    week = Interval.parse("2014-03-01", "2014-03-08")
    ingest(descriptor, week, bulk)
    days = list(week.days())
    random.Random(1).shuffle(days)  # noqa: S311
    for day in days:
        ingest(descriptor, day, daily)
    assert len(contents(bulk)) == 7 + 5 + 7 + 2  # events, quarantine of five days, accounting, undated rows and theirs
    assert contents(daily) == contents(bulk)
    assert daily.fingerprint(week) == bulk.fingerprint(week)


def test_the_order_of_rows_and_files_changes_nothing_but_where_a_refused_row_stood(shop, tmp_path):
    lines = march_lines()
    lakes = []
    for seed in range(3):
        random.Random(seed).shuffle(lines)  # noqa: S311
        cut = 100 * (seed + 1)
        texts = {"a.csv": HEADER + "\n".join(lines[:cut]), "b.csv": HEADER + "\n".join(lines[cut:])}
        lakes.append(EventLake(tmp_path / f"lake{seed}"))
        ingest(shop("*.csv", texts), MARCH, lakes[-1])
    assert len({lake.fingerprint() for lake in lakes}) == 1
    daily = [{day.ds: lake.accounting("events", day) for day in MARCH.days()} for lake in lakes]
    assert daily[0] == daily[1] == daily[2]
    fifth = daily[0]["2014-03-05"]
    assert fifth.duplicate >= 5
    assert fifth.reasons["conflicting_event_id"] >= 15


def test_of_contradicting_rows_the_smallest_stays(shop, lake):
    rows = ["1,u2,2014-03-05,view,1", "1,u1,2014-03-05,view,2", "1,u1,2014-03-05,view,1", "1,u1,2014-03-05,view,1"]
    rows += ["1,u0,2014-03-06,view,1", "2,u9,2014-03-05,view,"]
    total = ingest(shop("e.csv", {"e.csv": HEADER + "\n".join(rows)}), MARCH, lake).total
    kept = pq.read_table(lake.partitions(FIFTH)[0], partitioning=None)
    assert kept.select(["event_id", "user_id", "amount"]).to_pylist() == [
        {"event_id": "1", "user_id": "u1", "amount": 1.0},
        {"event_id": "2", "user_id": "u9", "amount": None},
    ]
    assert (total.accepted, total.duplicate, total.quarantined) == (3, 1, 2)
    assert total.reasons == {"conflicting_event_id": 2}


def test_minus_nought_and_nought_are_one_amount_whichever_came_first(shop, tmp_path):
    rows = ["1,u1,2014-03-05,view,-0", "1,u1,2014-03-05,view,0"]
    lakes = [EventLake(tmp_path / name) for name in ("first", "second")]
    for lake, ordered in zip(lakes, (rows, rows[::-1]), strict=True):
        assert ingest(shop("e.csv", {"e.csv": HEADER + "\n".join(ordered)}), FIFTH, lake).total.duplicate == 1
    assert contents(lakes[0]) == contents(lakes[1])


def test_a_lake_may_lie_in_a_folder_whose_name_looks_like_a_pattern(shop, tmp_path):
    lake = EventLake(tmp_path / "shop [eu] *?{a}" / "lake")
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    for _ in range(2):
        assert ingest(descriptor, FIFTH, lake).total.accepted == 19
    assert len(build_sequences(lake.root / "events", Selection(FIFTH.end, 8)).user_ids) > 1
    label = {"user_id": "u1", "label": 1, "kind": "bot", "source": "s", "confidence": 1.0, "observed_at": FIFTH.start}
    labels = pa.Table.from_pylist([label], schema=LABEL_SCHEMA)
    assert find_anomalous(lake.root / "events", labels, as_of=FIFTH.end)["user_id"].to_pylist() == ["u1"]


def test_rows_are_sorted_by_bucket_user_time_and_event(shop, lake):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    ingest(descriptor, MARCH, lake)
    for path in lake.partitions():
        table = pq.read_table(path, partitioning=None)
        assert table.schema.equals(lake_schema(descriptor.event_schema))
        keys = list(zip(*(table[name].to_pylist() for name in ORDER), strict=True))
        assert keys == sorted(keys)


def test_an_event_id_is_derived_from_the_content_where_the_file_has_none(shop, lake):
    without = SHOP.replace("event_id: id, ", "")
    rows = ["u1,2014-03-05,view,1", "u1,2014-03-05,view,1", "u1,2014-03-05,view,2"]
    total = ingest(shop("e.csv", {"e.csv": "user,at,kind,price\n" + "\n".join(rows)}, without), MARCH, lake).total
    ids = pq.read_table(lake.partitions()[0], partitioning=None)["event_id"].to_pylist()
    assert ids == ["55e93348ff656dcc8daeb3c9fd2e4b1f", "85b4ead9e3bc4ddb85be38c5e6833c1e"]  # may never change
    assert (total.accepted, total.duplicate) == (2, 1)


def test_a_day_whose_rows_are_gone_leaves_no_partition(shop, lake):
    rows = ["1,u,2014-03-05,view,", "2,,2014-03-05,view,", "3,u,2014-03-06,view,", "4,u,never,view,"]
    ingest(shop("e.csv", {"e.csv": HEADER + "\n".join(rows)}), MARCH, lake)
    assert lake.has_partition(FIFTH)
    before = contents(lake)
    ingest(shop("e.csv", {"e.csv": HEADER + rows[2]}), MARCH, lake)
    assert not lake.has_partition(FIFTH)
    assert [path.parent.name for path in lake.partitions()] == ["ds=2014-03-06"]
    assert not list(lake.root.glob("quarantine/events/*/*"))
    assert not list(lake.root.glob("accounting/events/ds=undated/*"))
    assert lake.accounting("events", FIFTH).rows_in == 0
    ingest(shop("e.csv", {"e.csv": HEADER + "\n".join(rows)}), MARCH, lake)
    assert contents(lake) == before


def test_undated_rows_of_a_file_that_was_taken_away_go_with_it(shop, lake, tmp_path):
    texts = {"a.csv": HEADER + "1,u,2014-03-05,view,\n2,u,never,view,", "b.csv": HEADER + "3,u,2014-03-05,view,"}
    descriptor = shop("*.csv", texts)
    ingest(descriptor, FIFTH, lake)
    assert list(lake.root.glob("quarantine/events/ds=undated/*"))
    (tmp_path / "a.csv").unlink()
    ingest(descriptor, FIFTH, lake)
    assert not list(lake.root.glob("quarantine/events/ds=undated/*"))


def test_a_file_of_a_long_name_keeps_its_undated_rows_too(shop, lake, tmp_path):
    names = [f"{'d' * 120}/{'f' * 120}{last}.csv" for last in "ab"]
    bad = HEADER + "1,u,2014-03-05,view,\n2,u,never,view,"
    descriptor = shop("**/*.csv", dict.fromkeys(names, bad))
    assert ingest(descriptor, FIFTH, lake).total.reasons == {"unreadable_time": 2}
    kept = sorted(lake.root.glob("quarantine/events/ds=undated/*"))
    found = [file for path in kept for file in pq.read_table(path, partitioning=None)["source_file"].to_pylist()]
    assert sorted(found) == names
    (tmp_path / names[0]).unlink()
    ingest(descriptor, FIFTH, lake)
    assert len(list(lake.root.glob("quarantine/events/ds=undated/*"))) == 1


def test_publishing_again_changes_nothing_and_publishing_nothing_is_refused(shop, lake):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    with pytest.raises(InputAbsent) as refused:
        publish_events(MARCH, lake)
    assert refused.value.exit_code is ExitCode.ABSENT
    first = ingest(descriptor, MARCH, lake)
    before = contents(lake)
    assert publish_events(MARCH, lake) == first
    assert contents(lake) == before


def test_nothing_is_visible_before_it_is_published(shop, lake):
    stage_events(shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())}), MARCH, lake)
    assert lake.partitions() == []
    assert len(lake.staged_partitions("events", MARCH)) == 31
    assert lake.staged("events", MARCH).total.accepted > 200


def test_runs_side_by_side_leave_what_one_leaves(shop, tmp_path, lake):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    intervals = [MARCH, MARCH, FIFTH, FIFTH, *list(MARCH.days())[:8]]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda interval: ingest(descriptor, interval, lake), intervals))
    alone = EventLake(tmp_path / "alone")
    ingest(descriptor, MARCH, alone)
    assert contents(lake) == contents(alone)


def test_an_interval_within_a_day_covers_the_whole_day(shop, lake):
    descriptor = shop(
        "%Y-%m.csv", {"2014-03.csv": HEADER + "1,u,2014-03-05T01:00:00Z,view,\n2,u,2014-03-05T23:00:00Z,view,"}
    )
    ingest(descriptor, Interval.parse("2014-03-05T12:00Z", "2014-03-05T13:00Z"), lake)
    assert lake.accounting("events", FIFTH).accepted == 2


def test_only_the_files_that_can_hold_the_interval_are_opened(shop, lake):
    texts = {"2014-02.csv": b"not even a header\0", "2014-03.csv": HEADER + "1,u,2014-03-05,view,"}
    assert ingest(shop("%Y-%m.csv", texts), FIFTH, lake).files == ("2014-03.csv",)


def test_a_row_outside_its_files_period_is_refused_whichever_interval_is_read(shop, lake):
    rows = ["1,u,2014-03-05,view,", "2,u,2014-02-28,view,"]
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(rows)})
    for interval in (FIFTH, Interval.parse("2014-02-01", "2014-04-01")):
        staged = ingest(descriptor, interval, lake)
        assert (staged.total.accepted, staged.total.reasons) == (1, {"outside_file_period": 1})


def test_rows_outside_the_interval_are_counted_apart(shop, lake):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    staged = stage_events(descriptor, FIFTH, lake)
    assert staged.outside > 300
    assert staged.rows_read == 440
    assert staged.total.rows_in + staged.outside == staged.rows_read
    assert sum(part.rows_in for part in staged.undated) == 5
    assert staged.quarantined_share < staged.total.quarantined / staged.total.rows_in


def test_rows_that_are_not_accounted_for_stop_the_run(shop, lake, monkeypatch):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    monkeypatch.setattr("ml.ingest.stage.StagedDays.write", lambda *_: ())
    with pytest.raises(RowsUnaccounted) as refused:
        stage_events(descriptor, MARCH, lake)
    assert refused.value.exit_code is ExitCode.BUG
    assert lake.staged_partitions("events", MARCH) == []


def test_memory_is_bounded_by_days_and_changes_no_byte(shop, tmp_path, monkeypatch):
    descriptor = shop("%Y-%m.csv", {"2014-03.csv": HEADER + "\n".join(march_lines())})
    roomy, tight = EventLake(tmp_path / "roomy"), EventLake(tmp_path / "tight")
    ingest(descriptor, MARCH, roomy)
    monkeypatch.setattr("ml.ingest.spill.ROWS_IN_MEMORY", 20)
    monkeypatch.setattr("ml.ingest.source.BLOCK", 4000)
    ingest(descriptor, MARCH, tight)
    assert contents(tight) == contents(roomy)


WHOLE = gzip.compress((HEADER + "\n".join(march_lines())).encode())
UNREADABLE = {
    "a truncated file": WHOLE[: len(WHOLE) // 2],
    "a file that lost its end": WHOLE[:-4],
    "a damaged file": WHOLE[:100] + b"\0\0\0\0" + WHOLE[104:],
    "a file that is no gzip": HEADER.encode(),
    "a file that expands without bound": gzip.compress(b"\n" * 3_000_000),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_to_its_end_stops_the_run_and_publishes_nothing(shop, lake, case, monkeypatch):
    monkeypatch.setattr("ml.ingest.source.EXPANSION_FLOOR", 2_000_000)
    descriptor = shop("%Y-%m.csv.gz", {"2014-03.csv.gz": UNREADABLE[case]})
    with pytest.raises(SourceUnreadable, match=r"2014-03\.csv\.gz"):
        stage_events(descriptor, MARCH, lake)
    assert lake.staged_partitions("events", MARCH) == []


def test_a_column_that_a_file_lacks_is_named_with_those_it_has(shop, lake):
    with pytest.raises(
        ColumnAbsent, match=r"where=2014-03.csv:1 column=price .*columns=\['id', 'user', 'at', 'kind'\]"
    ):
        stage_events(shop("%Y-%m.csv", {"2014-03.csv": "id,user,at,kind\n1,u,2014-03-05,view\n"}), MARCH, lake)


def test_a_file_without_one_readable_time_is_refused_with_the_text_and_the_format(shop, lake):
    told = r"where=2014-03.csv:2 column=at found='05.03.2014' format=iso8601"
    with pytest.raises(TimesUnreadable, match=told):
        stage_events(shop("%Y-%m.csv", {"2014-03.csv": HEADER + "1,u,05.03.2014,view,\n"}), MARCH, lake)


def test_a_file_of_another_period_than_its_name_says_is_refused(shop, lake):
    with pytest.raises(PeriodWrong, match=r"2014-03\.csv"):
        stage_events(shop("%Y-%m.csv", {"2014-03.csv": HEADER + "1,u,2014-02-05,view,\n"}), MARCH, lake)


def test_an_interval_without_a_file_is_absent_not_empty(shop, lake):
    with pytest.raises(InputAbsent, match="2014-03-01"):
        stage_events(shop("%Y-%m.csv", {"2014-02.csv": HEADER}), MARCH, lake)


@pytest.mark.parametrize("text", ["", "\n\n", HEADER, "\ufeff" + HEADER + "\n"])
def test_an_empty_file_holds_no_rows(shop, lake, text):
    assert ingest(shop("%Y-%m.csv", {"2014-03.csv": text}), MARCH, lake).total.rows_in == 0
    assert lake.partitions() == []


def test_a_shipped_dataset_without_its_folder_says_what_to_give(lake):
    with pytest.raises(FolderUnknown, match="DATA="):
        stage_events(load_descriptor("wikipedia-edits"), MARCH, lake)


LABELS = """\
name: shop
events:
  files: events/%Y-%m-%d.csv
  columns: {{user_id: user, event_time: at, event_type: kind}}
labels:
  files: "{files}"
  columns:
    user_id: user
    event_id: event
    label: {{column: verdict, values: {{"-1": 1, "0": 0}}}}
    kind: {{column: why, values: {{stolen: fraud, fake: fake_review}}}}
    confidence: sure
    observed_at: {{column: told, format: epoch_seconds}}
label_delay_days: 0
"""


def test_labels_are_read_by_the_day_they_became_known(shop, lake):
    rows = [
        "u1,,-1,stolen,0.5,1393977600",
        "u1,,-1,stolen,0.5,1393977600",
        "u2,e7,-1,fake,1,1393977601.5",
        "u3,,0,whatever,1,1393977602",
        "u4,,-1,stolen,1,1394064000",
        "u5,,2,stolen,1,1393977600",
        "u5,,,stolen,1,1393977600",
        "u5,,-1,lost,1,1393977600",
        "u5,,-1,,1,1393977600",
        "u5,,-1,stolen,1.5,1393977600",
        "u5,,-1,stolen,,1393977600",
        ",,-1,stolen,1,1393977600",
    ]
    text = "user,event,verdict,why,sure,told\n" + "\n".join(rows)
    staged = stage_labels(shop("labels.csv", {"labels.csv": text}, LABELS), FIFTH, lake)
    found = pa.concat_tables(pq.read_table(path, partitioning=None) for path in lake.staged_partitions("labels", FIFTH))
    assert found.schema.equals(LABEL_SCHEMA)
    named = [
        (row["user_id"], row["event_id"], row["label"], row["kind"], row["confidence"]) for row in found.to_pylist()
    ]
    assert named == [("u1", None, 1, "fraud", 0.5), ("u2", "e7", 1, "fake_review", 1.0), ("u3", None, 0, "none", 1.0)]
    assert set(found["source"].to_pylist()) == {"shop"}
    assert (staged.rows_read, staged.outside, staged.total.accepted, staged.total.duplicate) == (12, 1, 3, 1)
    assert staged.total.reasons == {
        "missing_confidence": 1,
        "missing_kind": 1,
        "missing_label": 1,
        "missing_user_id": 1,
        "not_a_share": 1,
        "unknown_kind": 1,
        "unknown_label": 1,
    }
    assert publish_labels(FIFTH, lake) == staged
    assert list(lake.root.glob("quarantine/labels/ds=2014-03-05/*"))
    assert not (lake.root / "labels").exists()


INLINE = """\
name: payments
events:
  files: "{files}"
  columns: {{user_id: payer, event_time: at, event_type: {{value: payment}}, amount: sum}}
labels:
  columns:
    event_id: {{derived: true}}
    label: fraud
    kind: {{value: fraud}}
    observed_at: {{column: at, delay_days: 30}}
label_delay_days: 30
"""


def test_labels_in_the_events_files_name_the_event_of_their_row(shop, lake):
    texts = {
        f"{m}.jsonl": f'{{"payer": "p{m}", "at": "{m}-05", "sum": 1, "fraud": {v}}}'
        for m, v in (("2014-02", 1), ("2014-03", 0))
    }
    texts["2014-02.jsonl"] += (
        '\n{"payer": "p9", "at": "2014-02-05", "sum": 2, "fraud": ""}\n{"payer": "p9", "at": "2014-02-05"}'
    )
    descriptor = shop("%Y-%m.jsonl", texts, INLINE)
    ingest(descriptor, Interval.parse("2014-02-05", "2014-02-06"), lake)
    events = pl.read_parquet(lake.partitions()[0], hive_partitioning=False)
    week = Interval.parse("2014-03-01", "2014-03-10")
    staged = stage_labels(descriptor, week, lake)
    (path,) = lake.staged_partitions("labels", week)
    (label,) = pq.read_table(path, partitioning=None).to_pylist()
    assert path.parent.name == "ds=2014-03-07"
    assert label["event_id"] == events.filter(user_id="p2014-02")["event_id"][0]
    assert (label["user_id"], label["label"], label["kind"]) == ("p2014-02", 1, "fraud")
    assert (staged.rows_read, staged.files) == (1, ("2014-02.jsonl",))


def test_a_label_of_an_event_whose_id_breaks_the_contract_is_refused_with_it(shop, lake):
    told = {"e1": "e1", "none": "", "bell": "a\\u0007", "long": "e" * 300}
    rows = [f'{{"payer": "{n}", "id": "{event}", "at": "2014-03-05", "fraud": 1}}' for n, event in told.items()]
    with_id = INLINE.replace("user_id: payer", "event_id: id, user_id: payer").replace("amount: sum", "channel: sum")
    texts = {"2014-03.jsonl": "\n".join(rows)}
    staged = stage_labels(shop("%Y-%m.jsonl", texts, with_id.replace("delay_days: 30", "delay_days: 0")), FIFTH, lake)
    (label,) = lake.staged_labels(FIFTH).to_pylist()
    assert (label["user_id"], label["event_id"]) == ("e1", "e1")
    refused = {"missing_event_id": 1, "control_character": 1, "value_too_long": 1}
    assert (staged.total.rows_in, staged.total.reasons) == (4, refused)


def test_a_dataset_without_labels_says_so(shop, lake):
    with pytest.raises(LabelsUndeclared, match="labels"):
        stage_labels(shop("e.csv", {"e.csv": HEADER}), MARCH, lake)
