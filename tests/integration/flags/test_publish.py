from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from ml.contracts.flags import State
from ml.contracts.intervals import Interval
from ml.flags.read import current_flag, current_flags, flag_summary, table_digest
from ml.flags.store import FlagStore
from tests.flag_rows import day, event_flags_of, flags_of, run_of
from tests.integration.flags.shop import BELOW, EXPIRY, FLAGGED, OVER_BUDGET, Shop


def test_the_recommender_reads_what_was_published(shop: Shop):
    published = shop.publish(0, {"ann": FLAGGED, "bob": BELOW, "cem": OVER_BUDGET})
    assert (published.active, published.shadow, published.cleared, published.cleared_later) == (1, 0, 0, 0)
    flag = current_flag(shop.recommender, "ann")
    assert (flag["score"], flag["threshold"], flag["rank"], flag["model_version"]) == (FLAGGED, 0.5, 1, "1")
    assert flag["interval_start"] == day(0).start
    assert '"pace"' in flag["reason_codes"]
    assert current_flag(shop.recommender, "bob") is None
    assert current_flag(shop.recommender, "cem") is None


def test_publishing_again_leaves_the_same_rows(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    shop.publish(1, {"ann": BELOW, "bob": FLAGGED})
    before = shop.digest()
    for number, scores in enumerate([{"ann": FLAGGED, "bob": FLAGGED}, {"ann": BELOW, "bob": FLAGGED}]):
        shop.publish(number, scores)
    assert shop.digest() == before
    assert len(shop.rows()) == 4


def test_the_digest_sees_every_change_but_when_and_in_which_dag_run(shop: Shop):
    def publish(score: float, dag_run_id: str) -> str:
        run = run_of(day(0), 1, dag_run_id=dag_run_id)
        shop.store.publish(run, flags_of(run, {"ann": score}), shop.lake.scored_below)
        return shop.digest()

    first = publish(FLAGGED, "scheduled")
    assert publish(FLAGGED, "backfill") == first
    assert publish(FLAGGED + 1e-15, "backfill") != first
    assert table_digest(shop.writer, end=day(0).start) == table_digest(shop.writer, start=day(1).start)


def test_a_user_below_the_threshold_is_cleared(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    published = shop.publish(1, {"ann": BELOW, "bob": BELOW})
    assert published.cleared == 1
    assert ("ann", 1, "cleared", BELOW) in shop.rows()
    assert shop.flagged() == set()


def test_a_user_without_a_score_keeps_the_older_flag_until_it_expires(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    assert shop.publish(1, {"bob": BELOW}).cleared == 1  # ann was there, and nothing could be said of her
    assert shop.flagged() == {"ann"}
    shop.publish(2, {"bob": BELOW})
    assert shop.flagged() == set()


def test_a_run_tells_how_many_users_it_could_not_judge(shop: Shop):
    run = replace(run_of(day(0), 5), users_too_short=3, users_too_unlike=2)
    shop.store.publish(run, flags_of(run, {}), shop.lake.scored_below)
    counts = "users_scored, users_too_short, users_too_unlike"
    for view in ("run_history", "flag_counts"):
        assert shop.read(f"SELECT {counts} FROM {view}", "trailguard_analyst") == [(5, 3, 2)]
    (told,) = flag_summary(shop.writer).to_pylist()
    assert (told["users_too_short"], told["users_too_unlike"]) == (3, 2)


def test_a_user_over_the_budget_keeps_the_older_flag(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    shop.publish(1, {"ann": OVER_BUDGET})
    assert shop.flagged() == {"ann"}


def test_a_late_interval_clears_in_the_intervals_after_it(shop: Shop):
    shop.publish(1, {"ann": BELOW})
    assert shop.rows() == set()
    assert shop.publish(0, {"ann": FLAGGED}).cleared_later == 1
    assert shop.rows() == {("ann", 0, "active", FLAGGED), ("ann", 1, "cleared", BELOW)}


def test_cleared_rows_vanish_with_the_flag_that_caused_them(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    shop.publish(1, {"ann": BELOW})
    shop.publish(0, {"ann": BELOW})
    assert shop.rows() == set()


def test_a_flag_expires_with_the_newest_published_interval(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})  # counts until the end of day 2
    shop.publish(1, {"bob": BELOW})
    assert shop.flagged() == {"ann"}
    shop.publish(2, {"bob": BELOW})
    assert shop.flagged() == set()


def test_a_cleared_row_hides_older_flags_and_a_newer_flag_shows(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    shop.publish(1, {"ann": BELOW})
    assert shop.flagged() == set()
    shop.publish(2, {"ann": FLAGGED})
    assert current_flag(shop.recommender, "ann")["interval_start"] == day(2).start


def test_a_longer_or_shorter_expiry_is_applied_when_an_interval_is_published_again(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    shop.publish(4, {"ann": BELOW})
    assert shop.rows() == {("ann", 0, "active", FLAGGED)}
    shop.store = FlagStore(shop.writer, expiry=timedelta(days=10))
    shop.publish(0, {"ann": FLAGGED})
    assert shop.rows() == {("ann", 0, "active", FLAGGED), ("ann", 4, "cleared", BELOW)}
    shop.store = FlagStore(shop.writer, expiry=EXPIRY)
    shop.publish(0, {"ann": FLAGGED})
    assert shop.rows() == {("ann", 0, "active", FLAGGED)}


def test_an_interval_without_flags_still_moves_time_and_clears(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    shop.publish(1, {})
    shop.publish(2, {})
    assert shop.flagged() == set()
    assert flag_summary(shop.writer)["users_active"].to_pylist() == [1, 0, 0]


def test_another_version_replaces_the_flags_and_the_older_run_stays_on_record(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED}, version="1")
    shop.publish(0, {"ann": FLAGGED}, version="2")
    assert shop.flagged() == {"ann"}
    assert flag_summary(shop.writer)["model_version"].to_pylist() == ["2"]
    runs = shop.read("SELECT model_version, stands FROM run_history ORDER BY 1", "trailguard_analyst")
    assert runs == [("1", False), ("2", True)]


def test_shadow_flags_change_nothing_that_the_recommender_sees(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    scores = {"ann": FLAGGED, "bob": BELOW, "cem": BELOW}
    shop.publish(1, scores)
    seen = current_flags(shop.recommender, limit=10)
    run = run_of(day(1), 3)
    shadows = flags_of(run, {"bob": 0.8, "cem": 0.7}, State.SHADOW, model_version="2", threshold_id="trailguard-2")
    flags = pa.concat_tables([flags_of(run, {"ann": FLAGGED}), shadows])
    published = shop.store.publish(run, flags, shop.lake.scored_below)
    assert (published.active, published.shadow) == (1, 2)
    assert current_flags(shop.recommender, limit=10).equals(seen)
    shop.publish(0, {"ann": BELOW, "bob": FLAGGED})
    assert len([row for row in shop.rows() if row[2] == "shadow"]) == 2


def test_flagged_events_are_published_and_withdrawn_with_their_interval(shop: Shop):
    run = run_of(day(0), 1)
    events = event_flags_of(run, {("ann", "review-7"): 0.95, ("ann", "review-9"): 0.8})
    shop.store.publish(run, flags_of(run, {}), shop.lake.scored_below, events)
    query = "SELECT event_id, user_id, score FROM current_event_flag ORDER BY 1"
    assert shop.read(query, "trailguard_recommender") == [("review-7", "ann", 0.95), ("review-9", "ann", 0.8)]
    shop.store.publish(run, flags_of(run, {}), shop.lake.scored_below)
    assert shop.read(query, "trailguard_recommender") == []


def test_each_hour_has_a_partition_of_its_own(shop: Shop):
    hour = timedelta(hours=1)
    for number, user in enumerate(["ann", "bob"]):
        run = run_of(Interval(day(0).start + number * hour, day(0).start + (number + 1) * hour), 1)
        shop.lake.scores[run.interval, "1"] = {user: FLAGGED}
        shop.store.publish(run, flags_of(run, {user: FLAGGED}), shop.lake.scored_below)
    assert shop.flagged() == {"ann", "bob"}
    partitions = shop.read("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'user_flag'::regclass")
    assert {name for (name,) in partitions} == {"user_flag_20140301", "user_flag_20140301t01"}
