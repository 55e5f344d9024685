"""A descriptor says what it means, and a wrong one says where it is wrong."""

import os
from pathlib import Path

import pytest

from ml.contracts.events import Kind
from ml.contracts.intervals import Interval
from ml.datasets.descriptor import DescriptorInvalid, load_descriptor, shipped_names
from ml.datasets.file_pattern import FileNameWrong, find_files
from ml.datasets.find import DatasetUnknown, find_dataset
from ml.datasets.yaml_lines import MAX_BYTES
from ml.errors import ExitCode

SOUND = """\
name: shop
events:
  files: events/%Y-%m-%d.csv
  columns:
    user_id: customer
    event_time: {column: at, format: "%d/%m/%Y %H:%M", zone: Europe/Berlin}
    event_type: {value: view}
  extras:
    device: categorical
    stars: {column: rating, kind: numeric}
labels:
  files: labels.jsonl
  columns:
    user_id: customer
    label: {column: verdict, values: {"-1": 1, "0": 0}}
    kind: {value: fraud}
    observed_at: known_at
label_delay_days: 7
demo: {history_start: 2013-01-01, as_of: 2014-03-01, score_days: 14, history_end: 2014-05-01}
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "dataset.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_descriptor_maps_short_and_long_forms_alike(written):
    found = load_descriptor(written(SOUND))
    assert found.events.columns.user_id.column == "customer"
    assert found.events.columns.event_type.value == "view"
    assert found.extras == {"device": Kind.CATEGORICAL, "stars": Kind.NUMERIC}
    assert found.events.extras["stars"].column == "rating"
    assert found.event_schema.names[-2:] == ["device", "stars"]
    assert found.labels.columns.label.values == {"-1": "1", "0": "0"}
    assert found.labels.columns.observed_at.format == "iso8601"
    assert found.demo.as_of.isoformat() == "2014-03-01"
    assert found.folder == found.path.parent


WRONG = {
    "an unknown key": ("label_delay_days: 7", "label_delay_days: 7\ncolour: blue", "19:1", "colour"),
    "an unknown key deep inside": ("zone: Europe/Berlin", "zoen: Europe/Berlin", "6:56", "zoen"),
    "a wrong type": ("label_delay_days: 7", "label_delay_days: soon", "18:19", "label_delay_days"),
    "a missing column": ("    user_id: customer\n    event_time", "    event_time", "5:5", "events.columns.user_id"),
    "a zone nobody knows": ("Europe/Berlin", "Europe/Atlantis", "6:62", "Europe/Atlantis"),
    "a time format without a date": ("%d/%m/%Y %H:%M", "%H:%M", "6:38", "strptime"),
    "an hour without minutes": ("%d/%m/%Y %H:%M", "%d/%m/%Y %H", "6:38", "strptime"),
    "a directive given twice": ("%d/%m/%Y %H:%M", "%d/%m/%Y %Y", "6:38", "strptime"),
    "a zone that only some machines know": ("Europe/Berlin", "localtime", "6:62", "time zone"),
    "a bad date": ("2013-01-01", "2013-02-30", "19:23", "history_start"),
    "a date beyond the contract's": ("2013-01-01", "0001-01-01", "19:23", "history_start"),
    "more days than the calendar has": ("score_days: 14", "score_days: 99999999999", "19:66", "score_days"),
    "a delay of centuries": ("label_delay_days: 7", "label_delay_days: 99999999999", "18:19", "label_delay_days"),
    "a blank constant": ("{value: view}", "{value: ' '}", "7:25", "blank"),
    "a constant with a line break": ("{value: fraud}", '{value: "a\\nb"}', "16:19", "control characters"),
    "a NUL spelt as an escape": ("{value: fraud}", '{value: "a\\0b"}', "16:19", "'\\x00' is not allowed"),
    "half a character": ("{value: fraud}", '{value: "a\\ud800"}', "16:19", "'\\ud800' is not allowed"),
    "half a character in a key": ("stars:", '"st\\ud800":', "10:5", "not allowed"),
    "a character beyond Unicode": ("{value: fraud}", '{value: "\\U00110000"}', "1:1", "chr()"),
    "history after as_of": ("2013-01-01", "2015-01-01", "19:7", "must follow each other"),
    "a path that escapes": ("events/%Y-%m-%d.csv", "../events/%Y.csv", "3:10", "inside the dataset's folder"),
    "an absolute path": ("events/%Y-%m-%d.csv", "/etc/%Y.csv", "3:10", "inside the dataset's folder"),
    "an unsupported file": ("events/%Y-%m-%d.csv", "events/*.xlsx", "3:10", "must end in"),
    "stars for folders beside a name": ("events/%Y-%m-%d.csv", "events/a**b.csv", "3:10", "whole folders"),
    "a name longer than any file's": ("events/%Y-%m-%d.csv", "e" * 300 + ".csv", "3:10", "longer"),
    "a day without its month": ("events/%Y-%m-%d.csv", "events/%Y-%d.csv", "3:10", "finer field"),
    "an unknown field": ("events/%Y-%m-%d.csv", "events/%Y-%U.csv", "3:10", "%U"),
    "an extra's bad kind": ("device: categorical", "device: colour", "9:13", "extras.device"),
    "an extra with a name of the lake's": ("device: categorical", "item_users: numeric", "9:5", "contract's own"),
    "an extra with the contract's name": ("device: categorical", "amount: categorical", "9:5", "contract's own"),
    "a column and a constant": ("{value: view}", "{value: view, column: a}", "7:17", "one of the two"),
    "a verdict that is none": ('"-1": 1', '"-1": 2', "15:45", "label"),
    "labels without a user": ("    user_id: customer\n    label", "    label", "1:1", "labels.columns.user_id"),
    "an alias": ("zone: Europe/Berlin", "zone: *berlin", "6:62", "alias"),
    "a key given twice": ("label_delay_days: 7", "label_delay_days: 7\nname: again", "19:1", "second time"),
    "a tag": ("{value: view}", "!!python/name:os.system x", "7:17", "not allowed"),
    "broken YAML": ("label_delay_days: 7", "label_delay_days: [7", "19:5", ""),
    "a tab": ("label_delay_days: 7", "\tlabel_delay_days: 7", "18:1", ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_descriptor_is_refused_at_its_line_and_column(written, case):
    old, new, place, told = WRONG[case]
    assert SOUND.count(old) >= 1
    path = written(SOUND.replace(old, new, 1))
    with pytest.raises(DescriptorInvalid) as refused:
        load_descriptor(path)
    message = str(refused.value)
    assert f"{path}:{place} " in message
    assert told in message
    assert refused.value.exit_code is ExitCode.USAGE


def test_every_mistake_is_told_at_once(written):
    path = written(SOUND.replace("customer", "", 1).replace("label_delay_days: 7", "nothing: 1"))
    with pytest.raises(DescriptorInvalid, match="nothing") as refused:
        load_descriptor(path)
    assert "label_delay_days" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 5000, b"- just\n- a list\n", b"text"])
def test_a_file_that_is_no_descriptor_is_refused(tmp_path, content):
    path = tmp_path / "dataset.yaml"
    path.write_bytes(content)
    with pytest.raises(DescriptorInvalid, match=r"dataset\.yaml:\d+:\d+"):
        load_descriptor(path)


def test_a_descriptor_larger_than_any_descriptor_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "dataset.yaml"
    path.write_bytes(b"name: shop\n" + b"#" * MAX_BYTES)
    with pytest.raises(DescriptorInvalid, match=f"more than {MAX_BYTES} bytes"):
        load_descriptor(path)


def test_scalars_stay_the_text_that_was_written(written):
    found = load_descriptor(
        written(SOUND.replace("user_id: customer", "user_id: on", 1).replace("value: view", "value: 007"))
    )
    assert found.events.columns.user_id.column == "on"
    assert found.events.columns.event_type.value == "007"


def test_an_extra_that_is_the_label_would_leak_and_is_refused(written):
    inline = SOUND.replace("  files: labels.jsonl\n", "").replace("device: categorical", "verdict: categorical")
    with pytest.raises(DescriptorInvalid, match="leak"):
        load_descriptor(written(inline))


def test_every_shipped_descriptor_loads():
    assert "wikipedia-edits" in shipped_names()
    for name in shipped_names():
        assert load_descriptor(name).name == name


def test_a_dataset_is_found_by_name_by_file_by_folder_and_by_folder_name(written, tmp_path):
    path = written(SOUND)
    assert find_dataset("wikipedia-edits").folder is None
    assert find_dataset(str(path)).name == "shop"
    assert find_dataset(str(tmp_path)).folder == tmp_path
    named = tmp_path / "wikipedia-edits"
    named.mkdir()
    found = find_dataset(f"{named}/")
    assert (found.name, found.folder) == ("wikipedia-edits", named)


@pytest.mark.parametrize("data", ["nowhere", "~nobody-of-that-name/shop", "a" * 5000, "a\0b", "\ud800", "", "/"])
def test_an_unknown_dataset_is_refused_with_the_names_that_exist(data):
    with pytest.raises(DatasetUnknown, match="wikipedia-edits"):
        find_dataset(data)


def test_a_file_name_says_which_period_the_file_holds(tmp_path):
    for name in ("2014-02.csv", "2014-03.csv", ".2014-03.csv", "2014-3.csv", "notes.csv"):
        (tmp_path / name).touch()
    found = find_files(tmp_path, "%Y-%m.csv", "Europe/Berlin")
    assert [file.name for file in found] == ["2014-02.csv", "2014-03.csv"]
    assert found[1].period == Interval.parse("2014-02-28T23:00Z", "2014-03-31T22:00Z")


def test_folders_and_stars_in_a_pattern_match_like_a_shell(tmp_path):
    for name in ("2014/03/01/a.jsonl", "2014/03/01/b.jsonl", "2014/03/02/a.jsonl", "2014/03/a.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_files(tmp_path, "%Y/%m/%d/*.jsonl", "UTC")
    assert [file.name for file in found] == ["2014/03/01/a.jsonl", "2014/03/01/b.jsonl", "2014/03/02/a.jsonl"]
    assert {file.period.ds for file in found} == {"2014-03-01", "2014-03-02"}
    assert len(find_files(tmp_path, "**/*.jsonl", "UTC")) == 4


def test_brackets_in_a_pattern_mean_themselves(tmp_path):
    (tmp_path / "a[1].csv").touch()
    (tmp_path / "a1.csv").touch()
    assert [file.name for file in find_files(tmp_path, "a[1].csv", "UTC")] == ["a[1].csv"]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("%Y-%m-%d.csv", "2014-02-30.csv"),
        ("%Y.csv", "0000.csv"),
        ("%Y.csv", "9999.csv"),
        ("%Y-%m.csv", "9999-12.csv"),
        ("%Y-%m-%d.csv", "9999-12-31.csv"),
        ("%Y-%m-%d.csv", "0001-01-01.csv"),  # in Berlin it begins before the calendar does
    ],
)
def test_a_date_that_does_not_exist_in_a_file_name_is_refused(tmp_path, pattern, name):
    (tmp_path / name).touch()
    with pytest.raises(FileNameWrong, match=name):
        find_files(tmp_path, pattern, "Europe/Berlin")


def test_a_file_name_that_is_no_utf_8_is_refused_readably(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")).touch()
    with pytest.raises(FileNameWrong, match=r"caf\\xe9\.csv"):
        find_files(tmp_path, "*.csv", "UTC")
