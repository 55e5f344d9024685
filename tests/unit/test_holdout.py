"""A small, stable, unguessable share of would-be flags is held out."""

import pyarrow as pa

from ml.flags.holdout import hold_out

DECIDED = pa.table({"user_id": [f"user-{n}" for n in range(10_000)], "score": [0.9] * 10_000})


def held(share: float, key: str = "key", decided: pa.Table = DECIDED) -> set[str]:
    rows = hold_out(decided, share=share, key=key)
    assert set(rows["state"].to_pylist()) <= {"active", "holdout"}
    return {row["user_id"] for row in rows.to_pylist() if row["state"] == "holdout"}


def test_about_the_share_asked_for_is_held_out():
    assert held(0.0) == set()
    assert 150 <= len(held(0.02)) <= 250


def test_a_user_is_held_out_whoever_else_is_flagged_and_stays_so_when_the_share_grows():
    some = held(0.02)
    assert held(0.02, decided=DECIDED.slice(5_000)) == {user for user in some if int(user[5:]) >= 5_000}
    assert some < held(0.04)


def test_who_is_held_out_cannot_be_told_without_the_key():
    assert len(held(0.02) & held(0.02, key="other")) < 20
