"""The snapshot holds what was known at as_of and nothing else; training from it is repeatable."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.contracts.events import Kind
from ml.errors import InputAbsent
from ml.training.config import TrainingConfig
from ml.training.slices import SLICES, Shares, assign_slices
from ml.training.snapshot import Snapshot, SnapshotTooSmall, make_snapshot
from ml.training.verdicts import find_anomalous, know_users
from tests.trails import EXTRAS, START, label, label_table, staggered_events, staggered_labels, write_lake

AS_OF = START + timedelta(days=40)
DELAY = timedelta(days=10)
WINDOW = 8
CONFIG = TrainingConfig(width=8, epochs=1, users_per_step=32)
USERS = [f"u{number:03d}" for number in range(200)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("events"), staggered_events())


@pytest.fixture(scope="module")
def labels() -> pa.Table:
    return staggered_labels()


def snap(lake: Path, labels: pa.Table, out: Path, as_of: datetime = AS_OF) -> Snapshot:
    return make_snapshot(
        lake,
        labels,
        as_of=as_of,
        label_delay=DELAY,
        window=WINDOW,
        extras=EXTRAS,
        out=out,
        shares=Shares(0.5, 0.2, 0.1, 0.1, 0.1),
    )


def test_slices_follow_each_other_in_time_and_hold_their_shares():
    rng = np.random.default_rng(0)
    times, users = rng.integers(0, 50, 1000), np.array([f"u{number}" for number in range(1000)])
    slices = assign_slices(times, users, Shares())
    assert [int((slices == name).sum()) for name in SLICES] == [700, 100, 60, 60, 80]
    for earlier, later in pairwise(SLICES):
        assert times[slices == earlier].max() <= times[slices == later].min()
    shuffled = rng.permutation(1000)
    assert (assign_slices(times[shuffled], users[shuffled], Shares()) == slices[shuffled]).all()


def test_a_late_label_moves_no_past_split(lake: Path, labels: pa.Table, tmp_path: Path):
    before = snap(lake, labels, tmp_path / "before")
    late = label_table(*labels.to_pylist(), *(label(user, AS_OF) for user in USERS[1::3]))
    after = snap(lake, late, tmp_path / "after")
    assert after.users.equals(before.users)
    assert after.sequences.events.equals(before.sequences.events)
    assert after.fingerprint == before.fingerprint


def test_only_matured_users_take_part_also_when_their_label_came_early(lake: Path, tmp_path: Path):
    early = label_table(*(label(user, AS_OF - timedelta(hours=1)) for user in USERS[::3]))
    users, sequences = know_users(lake, early, as_of=AS_OF, label_delay=DELAY, window=WINDOW)
    begun = users["first_event_time"].to_pylist()
    assert max(begun) < AS_OF - DELAY
    assert 100 < len(begun) < 200
    assert users["user_id"].to_pylist() == sequences.user_ids.to_pylist()
    assert users["label"].to_pylist() == [int(int(user[1:]) % 3 == 0) for user in users["user_id"].to_pylist()]


def test_events_from_as_of_on_do_not_exist(lake: Path, labels: pa.Table, tmp_path: Path):
    snapshot = snap(lake, labels, tmp_path)
    assert max(snapshot.sequences.events["event_time"].to_pylist()) < AS_OF


def test_what_follows_the_label_is_left_out(lake: Path):
    known = START + timedelta(days=3)
    _, sequences = know_users(lake, label_table(label("u000", known)), as_of=AS_OF, label_delay=DELAY, window=50)
    _, unlabelled = know_users(lake, label_table(), as_of=AS_OF, label_delay=DELAY, window=50)
    kept, all_of_it = (found.of_users(pa.array(["u000"])).events for found in (sequences, unlabelled))
    expected = all_of_it.filter(pc.less(all_of_it["event_time"], pa.scalar(known, all_of_it["event_time"].type)))
    assert 0 < kept.num_rows == expected.num_rows < all_of_it.num_rows
    assert set(kept["target"].to_pylist()) == {1}
    assert set(all_of_it["target"].to_pylist()) == {0}


def test_a_named_event_makes_the_user_anomalous_from_there_on(lake: Path):
    trail = (
        know_users(lake, label_table(), as_of=AS_OF, label_delay=DELAY, window=50)[1]
        .of_users(pa.array(["u004"]))
        .events
    )
    third, second = trail["event_id"][2].as_py(), trail["event_id"][1].as_py()
    named = label_table(label("u004", AS_OF - DELAY / 2, event=third), label("u004", AS_OF - DELAY / 2))
    _, sequences = know_users(lake, named, as_of=AS_OF, label_delay=DELAY, window=50)
    targets = sequences.of_users(pa.array(["u004"])).events["target"].to_pylist()
    assert targets == [0, 0] + [1] * (len(targets) - 2)
    earlier = label_table(*named.to_pylist(), label("u004", AS_OF - DELAY / 2, event=second))
    found = find_anomalous(lake, earlier, as_of=AS_OF).to_pylist()
    assert [row["anomalous_from"] for row in found] == [trail["event_time"][1].as_py()]


def test_a_newer_verdict_overrules_an_older_one_and_a_strange_event_says_nothing(lake: Path):
    day = timedelta(days=1)
    labels = label_table(
        label("u000", START + 5 * day),
        label("u000", START + 6 * day, value=0),
        label("u001", START + 5 * day, value=0),
        label("u001", START + 6 * day),
        label("u002", START + 5 * day, event="nobody saw this"),
        label("u003", START + 5 * day),
        label("u003", START + 9 * day),
    )
    found = {row["user_id"]: row["observed_at"] for row in find_anomalous(lake, labels, as_of=AS_OF).to_pylist()}
    assert found == {"u001": START + 6 * day, "u003": START + 5 * day}
    assert [row["user_id"] for row in find_anomalous(lake, labels, as_of=START + 6 * day).to_pylist()] == [
        "u000",
        "u003",
    ]


def test_a_snapshot_survives_its_files_and_its_fingerprint_is_its_content(lake: Path, labels: pa.Table, tmp_path: Path):
    made = snap(lake, labels, tmp_path / "one")
    loaded = Snapshot.load(tmp_path / "one")
    assert loaded.fingerprint == made.fingerprint == snap(lake, labels, tmp_path / "two").fingerprint
    assert loaded.users.equals(made.users)
    assert loaded.sequences.events.equals(made.sequences.events)
    assert replace(loaded, users=None, sequences=None) == replace(made, users=None, sequences=None)
    earlier = snap(lake, labels, tmp_path / "earlier", as_of=AS_OF - timedelta(hours=1))
    assert earlier.fingerprint != made.fingerprint
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "item_record.parquet",
        "sequences.parquet",
        "snapshot.json",
        "users.parquet",
    ]


def test_a_snapshot_that_cannot_teach_is_refused(lake: Path, tmp_path: Path):
    with pytest.raises(SnapshotTooSmall, match="slice=train"):
        snap(lake, label_table(), tmp_path / "good users only")
    assert not (tmp_path / "good users only").exists()
    with pytest.raises(InputAbsent):
        Snapshot.load(tmp_path / "nothing")


def test_both_ends_of_long_trails_are_trained_on(lake: Path, labels: pa.Table, tmp_path: Path):
    from ml.training.steps import both_ends

    snapshot = snap(lake, labels, tmp_path)
    sequences, users = both_ends(snapshot.slice("train"), snapshot.window), snapshot.slice("train")
    lengths = {user: int(ordinal) for user, ordinal in zip(
        users.user_ids.to_pylist(), users.events["ordinal"].to_numpy()[users.last_rows], strict=True)}  # fmt: skip
    assert len(sequences) == len(lengths) + sum(length > WINDOW for length in lengths.values()) > len(lengths)
    assert sequences.lengths.max() == WINDOW
    assert (sequences.offsets == type(sequences).of(sequences.events).offsets).all()


def test_closing_steps_are_shown_open_where_only_the_event_was_known():
    from ml.sequences.features import Featurizer
    from ml.training.batches import OpenedDays

    means, scales = {"gap": 0.0, "closes_day": 0.25}, {"gap": 1.0, "closes_day": 0.5}
    featurizer = Featurizer({"x": Kind.NUMERIC}, 4, {"event_type": ["view"]}, [], means, scales, [])
    numeric = np.ones((2, 3, 2), np.float32)
    OpenedDays(featurizer).apply(numeric, np.array([[True, False, False], [False, False, True]]))
    assert numeric[..., 1].tolist() == [[-0.5, 1, 1], [1, 1, -0.5]]
    assert (numeric[..., 0] == 1).all()


@pytest.fixture(scope="module")
def trained(lake: Path, labels: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ml.training.train import train

    folder = tmp_path_factory.mktemp("training")
    snap(lake, labels, folder / "snapshot")
    train(folder / "snapshot", folder / "bundle", CONFIG, seed=3)
    return folder / "bundle"


def test_the_same_seed_gives_the_same_curves_and_logits_to_the_last_bit(
    trained: Path, lake: Path, labels: pa.Table, tmp_path: Path
):
    from ml.evaluation.heldout import judged, read_heldout
    from ml.models.infer import infer_logits
    from ml.sequences.features import Featurizer
    from ml.training.steps import both_ends, targeted_steps
    from ml.training.train import fit_network

    snapshot, featurizer = snap(lake, labels, tmp_path), Featurizer.load(trained)
    data = [
        targeted_steps(both_ends(snapshot.slice(name), snapshot.window), featurizer) for name in ("train", "validation")
    ]
    model, curves = fit_network(*data, featurizer, CONFIG, seed=3)
    assert curves.to_dict() == json.loads((trained / "curves.json").read_text())
    newest = snapshot.slice("test").newest(WINDOW)
    logits = infer_logits(model, featurizer.transform(newest))[newest.last_rows]
    assert logits.tolist() == judged(read_heldout(trained.parent / "snapshot"), "test", "all").logits.tolist()
    other, _ = fit_network(*data, featurizer, CONFIG, seed=4)
    assert (infer_logits(other, featurizer.transform(newest))[newest.last_rows] != logits).all()


def test_a_bundle_holds_all_that_scoring_and_judging_need(trained: Path):
    assert sorted(path.name for path in trained.iterdir()) == [
        "baseline", "curves.json", "evidence.json", "featurizer.json", "item_record.parquet", "model.keras",
        "model.onnx", "model_last.onnx", "reference.json", "training.json",
    ]  # fmt: skip


def test_held_out_rows_are_what_the_scored_views_say(trained: Path, lake: Path, labels: pa.Table, tmp_path: Path):
    from ml.evaluation.heldout import judged, read_heldout

    heldout, test = read_heldout(trained.parent / "snapshot"), snap(lake, labels, tmp_path).slice("test")
    for view in ("3", "5", "10", "all"):
        rows = judged(heldout, "test", view)
        assert rows.user_ids.tolist() == test.user_ids.to_pylist()
        assert np.isfinite(rows.baseline).all()
    days = judged(heldout, "test", "day")
    assert len(days.user_ids) == pc.sum(test.first(WINDOW).events["closes_day"]).as_py()
    assert set(days.user_ids) == set(test.user_ids.to_pylist())


def test_the_reference_names_every_input(trained: Path):
    from ml.sequences.features import Featurizer

    featurizer = Featurizer.load(trained)
    reference = json.loads((trained / "reference.json").read_text())
    assert set(reference) == {*featurizer.numeric_names, *featurizer.categorical_names}
    assert reference["event_type"] == "view"
    assert reference["note"] is None
