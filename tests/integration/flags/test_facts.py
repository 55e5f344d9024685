import pytest

from ml.contracts.flags import State
from ml.flags.check import FlagsContradictRun, FlagsMalformed
from ml.flags.refused import FlagsRefused
from tests.flag_rows import REASONS, day, flags_of, run_of
from tests.integration.flags.shop import FLAGGED, Shop


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("score_is_a_probability", {"score": 1.5}),
        ("score_is_a_probability", {"score": float("nan")}),
        ("active_reached_threshold", {"score": 0.4}),
        ("active_has_a_reason", {"reason_codes": "[]"}),
        ("active_has_a_rank", {"rank": None}),
        ("rank_starts_at_one", {"rank": 0}),
        ("reason_codes_are_complete", {"reason_codes": '{"code": "pace"}'}),
        ("reason_codes_are_complete", {"reason_codes": '[{"code": "pace", "contribution": 0.1, "value": 1}]'}),
        ("reason_codes_are_complete", {"reason_codes": f"[{REASONS}]"}),
        ("reason_codes_are_complete", {"reason_codes": REASONS.replace("0.4", '"0.4"')}),
        ("reason_codes_are_complete", {"reason_codes": REASONS.replace('"pace"', '""')}),
        ("reason_codes_are_complete", {"reason_codes": REASONS.replace('"code"', '"name"')}),
    ],
)
def test_flags_that_contradict_a_fact_are_refused_by_its_name(shop: Shop, constraint: str, changed: dict):
    shop.publish(0, {"ann": FLAGGED})
    told = shop.digest()
    run = run_of(day(0), 1)
    with pytest.raises(FlagsRefused, match=f"constraint={constraint}"):
        shop.store.publish(run, flags_of(run, {"ann": FLAGGED}, **changed), shop.lake.scored_below)
    assert shop.digest() == told


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("active_reached_threshold", {"score": 0.4}),
        ("active_has_a_reason", {"reason_codes": "[]"}),
        ("active_has_a_rank", {"rank": None}),
    ],
)
def test_who_is_held_out_was_as_certain_as_who_is_flagged(shop: Shop, constraint: str, changed: dict):
    run = run_of(day(0), 1)
    flags = flags_of(run, {"ann": FLAGGED}, State.HOLDOUT, **changed)
    with pytest.raises(FlagsRefused, match=f"constraint={constraint}"):
        shop.store.publish(run, flags, shop.lake.scored_below)


def test_a_run_under_an_unrecorded_threshold_is_refused(shop: Shop):
    run = run_of(day(0), 1)
    unknown = type(run)(**{**vars(run), "threshold_id": "nobody-knows"})
    with pytest.raises(FlagsRefused, match="scoring_run_threshold_id_fkey"):
        shop.store.publish(unknown, flags_of(unknown, {}), shop.lake.scored_below)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "cleared"),
        ("interval_start", day(1).start),
        ("interval_end", day(2).end),
        ("model_version", "2"),
        ("threshold", 0.4),
    ],
)
def test_flags_of_another_run_are_refused(shop: Shop, column: str, value: object):
    run = run_of(day(0), 1)
    with pytest.raises(FlagsContradictRun, match=f"column={column}"):
        shop.store.publish(run, flags_of(run, {"ann": FLAGGED}, **{column: value}), shop.lake.scored_below)
    assert shop.rows() == set()


def test_flags_without_a_contract_column_are_refused(shop: Shop):
    run = run_of(day(0), 1)
    with pytest.raises(FlagsMalformed, match="missing=rank, reason_codes"):
        shop.store.publish(run, flags_of(run, {}).drop(["rank", "reason_codes"]), shop.lake.scored_below)
