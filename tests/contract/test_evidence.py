"""A trained bundle scores ordinary trails, and says of the others why it does not."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.calibration.probability import ProbabilityCalibration
from ml.contracts.events import event_schema
from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
from ml.contracts.scores import SCORE_SCHEMA, Evidence
from ml.flags.decide import decide_flags
from ml.scoring.evidence import FILE, EvidenceUnknown
from ml.scoring.scorer import Scorer
from ml.scoring.shards import score_shard
from ml.sequences.features import Featurizer
from ml.training.config import TrainingConfig
from ml.training.slices import Shares
from ml.training.snapshot import make_snapshot
from tests.trails import EXTRAS, START, in_lake_order, staggered_events, staggered_labels, write_lake

ROOT = Path(__file__).parents[2]
AS_OF = START + timedelta(days=40)
DAY = Interval.day(AS_OF + timedelta(days=1))
NEWCOMER, ABSURD = "once", "absurd"


def strangers() -> pa.Table:
    """Whom training never saw: one who did one thing, and one who did sixty in a second for millions each."""
    usual = {"event_type": "view", "channel": "web", "device": "phone", "item_id": "i1"}
    rows = [usual | {"event_id": "x0", "user_id": NEWCOMER, "event_time": DAY.start}]
    for number in range(60):
        moment = DAY.start + timedelta(milliseconds=15 * number)
        row = {"event_id": f"y{number:02d}", "user_id": ABSURD, "event_time": moment, "amount": 1e7, "price": -1e7}
        rows.append(usual | row)
    return pa.Table.from_pylist(rows, schema=event_schema(EXTRAS))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = pa.concat_tables([staggered_events(), strangers()])
    return write_lake(tmp_path_factory.mktemp("lake"), in_lake_order(events))


@pytest.fixture(scope="module")
def bundle(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ml.training.train import train

    folder = tmp_path_factory.mktemp("training")
    known = {"as_of": AS_OF, "label_delay": timedelta(days=10), "window": 8, "extras": EXTRAS}
    make_snapshot(lake, staggered_labels(), **known, out=folder, shares=Shares(0.5, 0.2, 0.1, 0.1, 0.1))
    train(folder, folder / "bundle", TrainingConfig(width=8, epochs=1, users_per_step=32), seed=3)
    ProbabilityCalibration("platt", 1.0, 1.0, 0.0, 100, 10).save(folder / "bundle" / "calibration.json")
    return folder / "bundle"


SCORE = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from tests.contract.test_evidence import score
pq.write_table(score(Path(sys.argv[1]), Path(sys.argv[2])), sys.argv[3])
"""


def score(bundle: Path, lake: Path) -> pa.Table:
    scores = score_shard(Scorer.load(bundle), lake, DAY, (0, 1), model=ModelVersion("trailguard", "1"), at_once=100_000)
    return scores.sort_by("user_id")


def test_ordinary_trails_are_scored_and_others_are_not(bundle: Path, lake: Path):
    scores = {row["user_id"]: row for row in score(bundle, lake).to_pylist()}
    assert scores[NEWCOMER]["evidence"] == Evidence.TOO_SHORT
    assert scores[ABSURD]["evidence"] == Evidence.TOO_UNLIKE
    for user in (NEWCOMER, ABSURD):
        assert scores[user]["score"] is scores[user]["logit"] is None
    whole = [row for row in scores.values() if row["events"] == 8 and row["user_id"] != ABSURD]
    judged = [row for row in whole if row["evidence"] == Evidence.SUFFICIENT]
    assert len(judged) >= 0.9 * len(whole) > 5
    assert all(0 <= row["score"] <= 1 for row in judged)


def test_another_process_says_the_same_to_the_last_bit(bundle: Path, lake: Path, tmp_path: Path):
    command = [sys.executable, "-c", SCORE, str(bundle), str(lake), str(tmp_path / "scores.parquet")]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    assert pq.read_table(tmp_path / "scores.parquet", schema=SCORE_SCHEMA).equals(score(bundle, lake))


def test_nobody_is_flagged_without_a_score(bundle: Path, lake: Path):
    scores = score(bundle, lake)
    flagged = decide_flags(scores, threshold=0.0, alert_budget=1.0)
    assert flagged.num_rows == pc.sum(pc.equal(scores["evidence"], Evidence.SUFFICIENT)).as_py() > 0
    assert {NEWCOMER, ABSURD}.isdisjoint(flagged["user_id"].to_pylist())


def test_the_held_out_users_whom_it_would_not_score_are_counted(bundle: Path):
    from ml.evaluation.withheld import evaluate_withheld
    from ml.training.snapshot import Snapshot

    test = Snapshot.load(bundle.parent).slice("test")
    for told in evaluate_withheld(bundle, test, seed=0).values():
        assert told["users"] == len(test)
        assert 0 <= told["too_short_anomalous"] <= told["too_short"] < len(test)
        assert told["too_unlike"] <= 0.1 * len(test)
        assert 0 <= told["rest"]["roc_auc"]["value"] <= 1


def test_users_unlike_training_head_the_list_of_suggested_reviews_and_nobody_with_a_label_is_on_it(
    bundle: Path, lake: Path
):
    from ml.reviews.suggest import SUGGESTIONS, find_candidates, suggest
    from ml.sequences.build import Selection, build_sequences

    def suggested(count: int, labelled: list[str]) -> pa.Table:
        candidates = find_candidates(score(bundle, lake), pa.array(labelled, pa.string()))
        users = candidates["user_id"].combine_chunks()
        trails = build_sequences(lake, Selection(DAY.end, 8, users=users))
        return suggest(Scorer.load(bundle), candidates, [trails], count, seed=0)

    few = suggested(4, [])
    assert few.schema.equals(SUGGESTIONS)
    first, *others = few.to_pylist()
    assert (first["rank"], first["user_id"], first["score"], first["why"]) == (1, ABSURD, None, "unlike")
    assert [row["rank"] for row in others] == [2, 3, 4]
    assert {row["why"] for row in others} <= {"uncertain", "diverse", "unlike"}
    assert NEWCOMER not in few["user_id"].to_pylist()
    assert suggested(4, []).equals(few)
    rest = suggested(1000, few["user_id"].to_pylist())
    assert rest.num_rows > 5
    assert set(rest["user_id"].to_pylist()).isdisjoint(few["user_id"].to_pylist())
    everybody = score(bundle, lake)["user_id"].to_pylist()
    assert suggested(4, everybody).num_rows == 0


def test_a_version_of_an_earlier_trailguard_is_compared_but_does_not_score(bundle: Path, lake: Path, tmp_path: Path):
    from ml.evaluation.rivals import compare_rivals
    from ml.training.snapshot import Snapshot

    older = tmp_path / "older"
    older.mkdir()
    for path in bundle.iterdir():
        if path.name != FILE:
            (older / path.name).symlink_to(path)
    assert Featurizer.load(older).window == 8
    with pytest.raises(EvidenceUnknown, match="Train again"):
        score(older, lake)
    figures = compare_rivals({"challenger": bundle, "champion": older}, Snapshot.load(bundle.parent).slice("test"))
    assert figures["challenger - champion"]["roc_auc"].value == 0
