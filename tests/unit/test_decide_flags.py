"""Flags are the highest scores that reach the threshold, as many as the budget allows."""

import json
from dataclasses import replace

import pyarrow as pa

from ml.contracts.flags import FLAG_SCHEMA
from ml.contracts.intervals import parse_time
from ml.contracts.scores import Evidence
from ml.flags.decide import decide_flags, flag_rows, sign_flags
from ml.flags.holdout import hold_out
from tests.flag_rows import FIRST_DAY
from tests.flag_rows import THRESHOLD as SOME
from tests.score_rows import score_rows

THRESHOLD = replace(SOME, threshold_id="t1", valid_from=parse_time("2014-06-01"))


def users(flags: pa.Table) -> list[str]:
    return flags["user_id"].to_pylist()


def test_a_score_at_the_threshold_is_flagged_and_one_below_is_not():
    assert users(decide_flags(score_rows(a=0.5, b=0.499, c=0.9), threshold=0.5, alert_budget=1.0)) == ["c", "a"]


def test_the_budget_keeps_the_highest_and_equal_scores_go_by_user():
    decided = decide_flags(score_rows(d=0.9, b=0.9, a=0.8, c=0.95), threshold=0.5, alert_budget=0.5)
    assert users(decided) == ["c", "b"]
    assert decided["rank"].to_pylist() == [1, 2]


def test_a_user_without_a_score_is_never_flagged_and_leaves_no_room_in_the_budget():
    decided = decide_flags(
        score_rows(a=Evidence.TOO_UNLIKE, b=0.9, c=0.8, d=Evidence.TOO_SHORT), threshold=0.0, alert_budget=0.5
    )
    assert users(decided) == ["b"]


def test_nobody_scored_means_nobody_flagged():
    assert decide_flags(score_rows(), threshold=0.5, alert_budget=1.0).num_rows == 0


def test_flag_rows_meet_the_contract_and_carry_their_reasons_and_their_dag_run():
    decided = decide_flags(score_rows(a=0.7), threshold=0.5, alert_budget=1.0)
    flags = sign_flags(
        flag_rows(hold_out(decided, share=0.0, key=""), {"a": json.dumps([{"code": "pace"}])}, THRESHOLD), "run-1"
    )
    assert flags.schema.equals(FLAG_SCHEMA)
    (flag,) = flags.to_pylist()
    assert flag["state"] == "active"
    assert flag["threshold_id"] == "t1"
    assert flag["label_as_of"] == FIRST_DAY  # of the training, not of the threshold that came later
    assert json.loads(flag["reason_codes"]) == [{"code": "pace"}]
    assert flag["dag_run_id"] == "run-1"
