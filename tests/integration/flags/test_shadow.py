"""A challenger's would-be flags, and those that are held out, are on record and nobody acts on them."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml.contracts.flags import State, Threshold
from ml.contracts.model_version import ModelVersion
from ml.flags.publish import Publisher
from ml.flags.store import NotStanding
from ml.flags.thresholds import ThresholdStore
from ml.scoring.score_lake import Plan, ScoreLake
from tests.flag_rows import THRESHOLD, day, flags_of, run_of
from tests.integration.flags.shop import BELOW, FLAGGED, OVER_BUDGET, Shop
from tests.score_rows import score_rows

CHALLENGER = THRESHOLD.handed_to(ModelVersion("trailguard-candidates", "4"))


@pytest.fixture
def publisher(shop: Shop, tmp_path: Path) -> Publisher:
    thresholds = ThresholdStore(shop.writer)
    thresholds.record(CHALLENGER)
    return Publisher(ScoreLake(tmp_path), shop.store, thresholds)


def score(publisher: Publisher, number: int, threshold: Threshold, scores: dict[str, float]) -> None:
    """What the stages up to decide-flags leave in the lake."""
    interval, lake = day(number), publisher.lake
    lake.write_plan(interval, Plan(*threshold.model, users=len(scores), of=1))
    lake.write_shard(interval, threshold.model, (0, 1), score_rows(**scores), 0.1)
    flagged = {user: score for user, score in scores.items() if score >= FLAGGED}
    flags = flags_of(run_of(interval, len(scores)), flagged, **facts_of(threshold))
    lake.write_flags(interval, threshold.model, flags)


def facts_of(threshold: Threshold) -> dict[str, object]:
    return {name: getattr(threshold, name) for name in ("model_name", "model_version", "threshold_id")}


def shadow(publisher: Publisher, number: int) -> None:
    publisher.lake.write_shadow(day(number), CHALLENGER.threshold_id)
    publisher.publish(day(number), THRESHOLD, None, again=True)


CHAMPION = [{"ann": FLAGGED, "bob": BELOW, "cem": BELOW, "dora": FLAGGED}, {"ann": BELOW, "bob": BELOW, "dora": BELOW}]
RIVAL = [{"ann": FLAGGED, "bob": FLAGGED, "cem": BELOW}, {"ann": FLAGGED, "bob": FLAGGED, "dora": BELOW}]
ROWS = {
    ("ann", 0, "active", FLAGGED),
    ("dora", 0, "active", FLAGGED),
    ("bob", 0, "shadow", FLAGGED),
    ("ann", 1, "shadow", FLAGGED),
    ("bob", 1, "shadow", FLAGGED),
    ("dora", 1, "cleared", BELOW),
}


def test_the_recommender_sees_the_same_with_a_challenger_in_the_shadow_as_without(shop: Shop, publisher: Publisher):
    seen = []
    for number in range(2):
        score(publisher, number, THRESHOLD, CHAMPION[number])
        score(publisher, number, CHALLENGER, RIVAL[number])
        publisher.publish(day(number), THRESHOLD, None)
        seen.append(shop.flagged())
        shadow(publisher, number)
        assert shop.flagged() == seen[-1]
    assert seen == [{"ann", "dora"}, set()]
    assert shop.rows() == ROWS
    assert shop.read("SELECT users_active, users_shadow FROM flag_counts ORDER BY 1 DESC") == [(2, 1), (0, 2)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_champion_and_challenger_leave_the_same_rows_in_any_order(
    shop: Shop, publisher: Publisher, order: tuple[int, int]
):
    for number in order:
        score(publisher, number, THRESHOLD, CHAMPION[number])
        score(publisher, number, CHALLENGER, RIVAL[number])
        publisher.publish(day(number), THRESHOLD, None)
    for number in order:
        shadow(publisher, number)
    assert shop.rows() == ROWS
    for number in order:  # the champion once more, as a backfill would
        publisher.publish(day(number), THRESHOLD, None)
    assert shop.rows() == ROWS


def test_a_user_whom_the_champion_left_unjudged_or_over_budget_keeps_the_older_flag(shop: Shop, publisher: Publisher):
    score(publisher, 0, THRESHOLD, {"ann": FLAGGED, "bob": FLAGGED})
    score(publisher, 1, THRESHOLD, {"ann": OVER_BUDGET})
    score(publisher, 1, CHALLENGER, {"ann": FLAGGED, "bob": FLAGGED})
    for number in range(2):
        publisher.publish(day(number), THRESHOLD, None)
    shadow(publisher, 1)
    assert shop.flagged() == {"ann", "bob"}
    assert {state for _, _, state, _ in shop.rows()} == {"active"}


def test_shadow_rows_never_bring_back_what_others_have_replaced(shop: Shop, publisher: Publisher):
    with pytest.raises(NotStanding, match="2014-03-01"):
        shop.store.standing(day(0))
    score(publisher, 0, THRESHOLD, CHAMPION[0])
    score(publisher, 0, CHALLENGER, RIVAL[0])
    another = replace(THRESHOLD, threshold_id="another")
    publisher.thresholds.record(another)
    run = replace(run_of(day(0), 1), threshold_id="another")
    shop.store.publish(run, flags_of(run, {"ann": FLAGGED}), shop.lake.scored_below)
    with pytest.raises(NotStanding, match=THRESHOLD.threshold_id):
        shadow(publisher, 0)
    assert shop.rows() == {("ann", 0, "active", FLAGGED)}


def test_a_challenger_whose_files_are_gone_keeps_no_flag_back(shop: Shop, publisher: Publisher):
    score(publisher, 0, THRESHOLD, CHAMPION[0])
    publisher.lake.write_shadow(day(0), CHALLENGER.threshold_id)
    publisher.publish(day(0), THRESHOLD, None)
    publisher.lake.write_shadow(day(0), "unheard of")
    publisher.publish(day(0), THRESHOLD, None)
    assert shop.flagged() == {"ann", "dora"}


def test_who_is_held_out_is_on_record_with_rank_and_reasons_and_is_not_acted_on(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    run = run_of(day(1), 2)
    flags = flags_of(run, {"ann": FLAGGED}, State.HOLDOUT)
    shop.lake.scores[day(1), "1"] = {"ann": FLAGGED, "bob": FLAGGED}
    published = shop.store.publish(run, flags, shop.lake.scored_below)
    assert (published.active, published.holdout) == (0, 1)
    assert shop.flagged() == {"bob"}, "bob was flagged the day before, and not scored below since"
    assert shop.read("SELECT users_holdout FROM flag_counts ORDER BY interval_start") == [(0,), (1,)]
