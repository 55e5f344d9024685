"""Spark on a standalone master with two workers gives what one machine gives, row for row and bit for bit."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from infra.side_environment import EnvironmentUnavailable
from infra.spark.environment import JavaMissing, install, java_home
from ml.calibration.probability import ProbabilityCalibration
from ml.contracts.events import TIME, Kind
from ml.contracts.intervals import Interval
from ml.contracts.scores import Evidence
from ml.models.blend import save_weights
from ml.models.boosting import Table, search
from ml.models.columns import trail_columns
from ml.models.config import ModelConfig
from ml.models.files import export_onnx
from ml.models.network import build_model
from ml.models.trees import Trees
from ml.registry.digest import folder_digest
from ml.registry.fetched import require_digest
from ml.scoring.evidence import EvidenceRule
from ml.scoring.score_lake import Plan, ScoreLake
from ml.scoring.scorer import Scorer
from ml.scoring.shards import count_users, score_shard
from ml.sequences.build import Selection, build_sequences
from ml.sequences.features import Featurizer
from tests.bench.shop import build_lake
from tests.integration.spark_cases import BUSY, MODEL, QUIET, cases
from tests.integration.spark_cluster import ROOT, WORKERS, SparkCluster
from tests.trails import START, random_events, write_lake

EVENTS = 50_000
EXTRAS = {"device": Kind.CATEGORICAL, "category": Kind.CATEGORICAL, "price": Kind.NUMERIC, "stars": Kind.NUMERIC}
SHARDS = 3
AT_ONCE = 9_000  # so that a shard has several chunks


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    try:
        java_home()
        install()
    except (JavaMissing, EnvironmentUnavailable) as reason:
        pytest.skip(str(reason))
    with SparkCluster(tmp_path_factory.mktemp("spark")).running() as running:
        yield running


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated events and a bundle of an untrained network, blended with trees that learned what type an event has."""
    root = tmp_path_factory.mktemp("lake")
    assert build_lake(root, EVENTS) > EVENTS / 2
    write_bundle(root / "events", root / "models" / str(MODEL))
    half = pc.less(random_events()["event_time"], pa.scalar(START + timedelta(days=30), TIME))
    write_lake(root / "late", random_events().filter(half).drop_columns(["note"]))
    write_lake(root / "late", random_events().filter(pc.invert(half)))
    return root


def write_bundle(events: Path, bundle: Path) -> None:
    bundle.mkdir(parents=True)
    sequences = build_sequences(events, Selection(BUSY.start, 64))
    featurizer = Featurizer.fit(sequences, extras=EXTRAS, window=64)
    featurizer.save(bundle)
    steps = featurizer.transform(sequences)
    table = Table(trail_columns(steps, sequences.last_rows, featurizer), steps.categorical[sequences.last_rows, 0] > 2)
    Trees(search(table, table, seed=0, at_once=1).booster, featurizer).save(bundle)
    save_weights(np.array([0.7, 0.3, -0.1]), bundle)
    keras.utils.set_random_seed(0)
    sizes = featurizer.vocabulary_sizes
    export_onnx(build_model(ModelConfig(len(featurizer.numeric_names), sizes, width=16)), bundle)
    ProbabilityCalibration("beta", 1.2, 0.8, -0.5, 100, 10).save(bundle / "calibration.json")
    ends = np.full(len(featurizer.numeric_names) + len(featurizer.categorical_names), 2.0)
    EvidenceRule(fewest_events=8, lowest=(-ends).tolist(), highest=ends.tolist(), farthest=3.0).save(bundle)
    require_digest(bundle, folder_digest(bundle))  # as if it had been fetched


@pytest.fixture(scope="module")
def answers(cluster: SparkCluster, lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    cluster.submit(ROOT / "tests" / "integration" / "spark_driver.py", str(lake), str(folder))
    return folder


def test_sequences_are_those_of_one_machine(lake: Path, answers: Path):
    sizes = {}
    for case in cases(lake):
        expected = build_sequences(case.events, case.wanted).events
        found = pq.read_table(case.answer(answers))
        assert found.equals(expected), case.name
        sizes[case.name] = expected.num_rows
    assert sizes.pop("nobody") == 0
    assert min(sizes.values()) > 100


def test_a_day_that_is_being_published_is_not_read(answers: Path):
    assert f"being_published_since={BUSY.ds}" in (answers / "refusal").read_text()


def test_both_workers_took_part(cluster: SparkCluster, answers: Path):
    assert all(cluster.executors(worker) for worker in range(WORKERS))


def test_scores_are_those_of_one_machine_in_the_same_files(cluster: SparkCluster, lake: Path):
    users = count_users(lake / "events", BUSY)
    plan, scores = Plan(*MODEL, users=users, of=SHARDS), ScoreLake(lake / "scores")
    scores.write_plan(BUSY, plan)
    options = ("--start", BUSY.start.isoformat(), "--end", BUSY.end.isoformat(), "--version", plan.version)
    settings = {"TRAILGUARD_LAKE": os.path.relpath(lake, ROOT), "TRAILGUARD_EVENTS_AT_ONCE": str(AT_ONCE)}
    printed = cluster.submit(ROOT / "infra" / "spark" / "submit.py", "score-shards", *options, **settings)
    assert json.loads(printed.splitlines()[-1])["users"] == users > 100
    assert scores.seconds(BUSY, plan.model) > 0
    evidence = set()
    for shard in range(SHARDS):
        expected = by_one_machine(lake, BUSY, shard, SHARDS)
        found = pq.read_table(scores.folder(BUSY, plan.model) / f"shard-{shard}-of-{SHARDS}.parquet")
        assert found.schema.equals(expected.schema)
        assert found.equals(expected)
        assert found.num_rows > 0
        evidence |= set(found["evidence"].to_pylist())
    assert evidence == set(Evidence), "there are users of every kind to agree on"


def test_shards_without_users_are_scored_too(lake: Path, answers: Path):
    scores = ScoreLake(lake / "scores").read(QUIET, MODEL)
    assert scores.equals(by_one_machine(lake, QUIET, 0, 1))
    assert scores.num_rows == 0


def by_one_machine(lake: Path, interval: Interval, shard: int, of: int) -> pa.Table:
    scorer = Scorer.load(lake / "models" / str(MODEL))
    return score_shard(scorer, lake / "events", interval, (shard, of), model=MODEL, at_once=AT_ONCE)
