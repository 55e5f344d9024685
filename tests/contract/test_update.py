"""An update goes on from where its predecessor stood: who is learned from, who is kept for judging, what is kept."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from expectations.runner import run_suite
from expectations.sequences import describe_users, sequences_suite
from ml.models.config import Architecture
from ml.models.files import load_keras
from ml.sequences.features import Featurizer
from ml.training.candidates import NETWORKS, Candidate
from ml.training.config import TrainingConfig
from ml.training.later import know_later_users
from ml.training.slices import LEARNED, SLICES, Shares, deal_slices
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.train import train
from ml.training.update import HEAVIEST, REPLAYED, choose_learned, read_config, update, weigh_new_kinds
from tests.trails import EXTRAS, START, label, label_table, staggered_labels, telling_events, write_lake

BEFORE, AS_OF, DELAY = START + timedelta(days=32), START + timedelta(days=36), timedelta(days=10)
SHARES = Shares(0.5, 0.2, 0.1, 0.1, 0.1)
YOUNG = [f"u{number:03d}" for number in range(133, 179, 2)]  # who began less than DELAY before AS_OF
CONFIG = TrainingConfig(architecture=Architecture.FUSION, width=8, epochs=2, users_per_step=32, averaging=0.5)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("lake"), telling_events())


@pytest.fixture(scope="module")
def labels() -> pa.Table:
    """As ever, and that YOUNG users are of a kind that nobody knew became known an hour before AS_OF."""
    told = AS_OF - timedelta(hours=1)
    known = [row for row in staggered_labels().to_pylist() if row["user_id"] not in YOUNG]
    return label_table(*known, *(label(user, told) | {"kind": "ring"} for user in YOUNG))


@pytest.fixture(scope="module")
def before(lake: Path, labels: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    freeze(lake, labels, folder)
    return folder


@pytest.fixture(scope="module")
def after(lake: Path, labels: pa.Table, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("after")
    freeze(lake, labels, folder, Snapshot.load(before))
    return folder


def freeze(lake: Path, labels: pa.Table, out: Path, predecessor: Snapshot | None = None) -> Snapshot:
    """As of BEFORE or, with a predecessor, as of AS_OF."""
    as_of = AS_OF if predecessor else BEFORE
    known = labels.filter(pc.less(labels["observed_at"], pa.scalar(as_of, labels["observed_at"].type)))
    return make_snapshot(
        lake,
        known,
        as_of=as_of,
        label_delay=DELAY,
        window=8,
        extras=EXTRAS,
        out=out,
        shares=SHARES,
        predecessor=predecessor,
    )


def users(snapshot: Snapshot) -> dict[str, dict]:
    return {row["user_id"]: row for row in snapshot.users.to_pylist()}


def test_a_deal_depends_on_the_user_alone_and_keeps_the_shares():
    names = [f"user {number}" for number in range(5000)]
    dealt = deal_slices(names, SHARES)
    assert deal_slices(names[::-1], SHARES)[::-1].tolist() == dealt.tolist()
    counts = Counter(dealt)
    assert [round(counts[name] / 5000, 1) for name in SLICES] == [0.5, 0.2, 0.1, 0.1, 0.1]


def test_users_stay_in_their_slices_and_newer_ones_are_dealt_out(before: Path, after: Path):
    old, new = users(Snapshot.load(before)), users(Snapshot.load(after))
    assert len(old) > 100
    assert {user: row["slice"] for user, row in new.items() if user in old} == {
        u: row["slice"] for u, row in old.items()
    }
    fresh = sorted(set(new) - set(old))
    assert len(fresh) > 20
    assert [new[user]["slice"] for user in fresh] == deal_slices(fresh, SHARES).tolist()
    assert all(new[user]["news"] for user in fresh)


def test_whom_a_label_calls_anomalous_is_learned_from_before_they_have_matured_and_proves_nothing(after: Path):
    found = users(Snapshot.load(after))
    early = {user: row for user, row in found.items() if row["first_event_time"] >= AS_OF - DELAY}
    assert len(early) > 5
    assert all(row["label"] and row["slice"] in LEARNED for row in early.values())
    active = [user for user, dealt in zip(YOUNG, deal_slices(YOUNG, SHARES), strict=True) if dealt not in LEARNED]
    assert active
    assert not set(active) & set(early)


def test_a_user_whose_label_has_changed_is_news(lake: Path, labels: pa.Table, before: Path, tmp_path: Path):
    old = Snapshot.load(before)
    turned = next(user for user, row in users(old).items() if row["slice"] == "train" and not row["label"])
    told = label_table(*labels.to_pylist(), label(turned, AS_OF - timedelta(hours=2)))
    row = users(freeze(lake, told, tmp_path, old))[turned]
    assert (row["slice"], row["label"], row["news"]) == ("train", 1, True)


def test_those_who_prove_a_threshold_later_are_a_fair_sample(lake: Path, labels: pa.Table, after: Path):
    """Good users of the hand of those who were learned from early would prove that few are anomalous."""
    snapshot, until = Snapshot.load(after), AS_OF + DELAY + timedelta(days=3)
    later = know_later_users(snapshot, lake, labels, as_of=until)
    inherited = {user for user, row in users(snapshot).items() if row["slice"] in ("calibration", "threshold")}
    begun = later.events["first_event_time"].to_pylist()
    young = {u for u, time in zip(later.events["user_id"].to_pylist(), begun, strict=True) if time < AS_OF} - inherited
    assert len(young) > 3
    assert set(deal_slices(sorted(young), SHARES)) <= {"calibration", "threshold"}
    assert {time >= AS_OF for time in begun} == {True, False}


def test_the_update_s_snapshot_meets_the_expectations_and_a_good_user_who_has_not_matured_breaks_them(
    after: Path, tmp_path: Path
):
    snapshot = Snapshot.load(after)
    suite, rows = sequences_suite(AS_OF, DELAY, 8), describe_users(snapshot)
    places = {"batch": "one", "validations": tmp_path / "results", "docs": tmp_path / "docs"}
    young = rows["first_event_time"] >= AS_OF - DELAY
    assert young.sum() > 5
    failed = " ".join(run_suite(suite, rows, **places).failed)
    assert "matured_since" not in failed
    rows.loc[young, "matured_since"] = rows["first_event_time"]
    assert "matured_since" in " ".join(run_suite(suite, rows, **places).failed)


def test_a_new_kind_weighs_as_much_as_others_and_those_known_are_replayed(after: Path):
    snapshot = Snapshot.load(after)
    weights, found = weigh_new_kinds(snapshot), users(snapshot)
    ring = [user for user, row in found.items() if row["kind"] == "ring" and row["slice"] == "train"]
    usual = sum(row["kind"] == "fraud" and row["slice"] == "train" and not row["news"] for row in found.values())
    assert weights == dict.fromkeys(ring, min(HEAVIEST, usual / len(ring)))
    learned = choose_learned(snapshot, 0).to_pylist()
    news = [user for user in learned if found[user]["news"]]
    assert sorted(news) == sorted(user for user, row in found.items() if row["news"] and row["slice"] == "train")
    known = sum(row["slice"] == "train" and not row["news"] for row in found.values())
    assert len(learned) - len(news) == min(known, REPLAYED * len(news)) > 0


@pytest.fixture(scope="module", params=[Candidate.BLEND, Candidate.LIGHTGBM])
def predecessor(request: pytest.FixtureRequest, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp(request.param) / "bundle"
    network = CONFIG if request.param in NETWORKS else None
    train(before, bundle, network, 0, boosted=True)
    return bundle


def test_an_update_is_a_bundle_of_the_same_files_and_the_same_again(predecessor: Path, after: Path, tmp_path: Path):
    facts = update(after, tmp_path / "one", predecessor, 0)
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in predecessor.iterdir()}
    again = update(after, tmp_path / "two", predecessor, 0)
    assert again | {"seconds": 0} == facts | {"seconds": 0}
    assert facts["predecessor"] == Snapshot.load(after).predecessor
    candidate = Candidate(facts["config"]["architecture"])
    assert facts == json.loads((tmp_path / "one" / "training.json").read_text())
    if candidate in NETWORKS:
        theirs, ours = (load_keras(folder / "model.keras").get_weights() for folder in (predecessor, tmp_path / "one"))
        flat = [np.concatenate([array.ravel() for array in arrays]) for arrays in (theirs, ours)]
        assert 0.9 < np.corrcoef(*flat)[0, 1] < 1, "it goes on from where the other stood"
        inputs = [Featurizer.load(folder).numeric_names for folder in (predecessor, tmp_path / "one")]
        assert inputs[0] == inputs[1]
        assert read_config(facts).architecture == NETWORKS[candidate]
