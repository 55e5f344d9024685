"""What the flag store is told of an interval's scores: how many there are, how many are missing, who is below."""

from pathlib import Path

import pyarrow as pa
import pytest

from ml.contracts.model_version import ModelVersion
from ml.contracts.scores import Evidence
from ml.flags.scored import describe_run, scored_below
from ml.scoring.score_lake import Plan, ScoreLake
from tests.flag_rows import THRESHOLD
from tests.score_rows import DAY, score_rows


@pytest.fixture
def lake(tmp_path: Path) -> ScoreLake:
    found = score_rows(
        ann=0.9, bob=0.2, cem=0.1, dora=Evidence.TOO_UNLIKE, eve=Evidence.TOO_SHORT, fay=Evidence.TOO_SHORT
    )
    lake = ScoreLake(tmp_path)
    lake.write_plan(DAY, Plan("trailguard", "1", users=6, of=1))
    lake.write_shard(DAY, ModelVersion("trailguard", "1"), (0, 1), found, 0.5)
    return lake


def test_a_run_counts_users_with_a_score_and_those_without_apart(lake: ScoreLake):
    run = describe_run(lake, DAY, THRESHOLD, None)
    assert (run.users_scored, run.users_too_short, run.users_too_unlike) == (3, 2, 1)
    assert run.score_quantiles["p50"] == 0.2


def test_who_has_no_score_is_not_below_the_threshold(lake: ScoreLake):
    run, asked = describe_run(lake, DAY, THRESHOLD, None), pa.array(["ann", "bob", "dora", "eve"])
    assert scored_below(lake)(run, asked)["user_id"].to_pylist() == ["bob"]
