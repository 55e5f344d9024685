import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Thread

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection

from infra.local.postgres import PostgresServer
from ml.flags.read import flag_summary
from tests.flag_rows import THRESHOLD, day
from tests.integration.flags.shop import BELOW, EXPIRY, FLAGGED, OVER_BUDGET, Shop

SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([FLAGGED, OVER_BUDGET, BELOW]), max_size=8)
WORLDS = st.lists(SCORES, min_size=6, max_size=6)


def by_definition(scores: list[dict[str, float]]) -> set[tuple[str, int, str, float]]:
    """The rows that docs/decisions/0001 asks for, when every day is published."""
    rows = set()
    for number, of_day in enumerate(scores):
        living = [earlier for earlier in range(number) if number < earlier + 1 + EXPIRY.days]
        for user, score in of_day.items():
            if score >= FLAGGED:
                rows.add((user, number, "active", score))
            elif score < THRESHOLD.value and any(scores[earlier].get(user, 0) >= FLAGGED for earlier in living):
                rows.add((user, number, "cleared", score))
    return rows


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(earlier=WORLDS, final=WORLDS, order=st.permutations(range(6)), repeats=st.lists(st.integers(0, 5), max_size=5))
def test_any_order_of_publication_leaves_the_rows_of_the_definition(shop: Shop, earlier, final, order, repeats):
    shop.empty()
    for number in repeats:  # published before, with other scores
        shop.publish(number, earlier[number])
    for number in [*order, *repeats]:
        shop.publish(number, final[number])
    assert shop.rows() == by_definition(final)


WEEK = [{"ann": FLAGGED, "bob": BELOW}, {"ann": BELOW, "bob": FLAGGED}, {"ann": FLAGGED, "bob": BELOW}] * 2


@pytest.fixture
def told(shop: Shop) -> str:
    """The digest of WEEK, published in order; the table is empty again."""
    for number, scores in enumerate(WEEK):
        shop.publish(number, scores)
    assert shop.rows() == by_definition(WEEK)
    told = shop.digest()
    shop.empty()
    return told


def test_newest_first_leaves_every_column_as_oldest_first_does(shop: Shop, told: str):
    for number in (5, 4, 3, 2, 1, 0):
        shop.publish(number, WEEK[number])
    assert shop.digest() == told


def test_publishers_of_different_intervals_do_not_disturb_each_other(shop: Shop, told: str):
    with ThreadPoolExecutor(6) as publishers:
        list(publishers.map(shop.publish, range(6), WEEK))
    assert shop.digest() == told


def test_of_two_publishers_of_one_interval_one_wins_whole(shop: Shop):
    worlds = {"1": {"ann": FLAGGED, "bob": FLAGGED}, "2": {"cem": FLAGGED}}
    for _ in range(5):
        with ThreadPoolExecutor(2) as publishers:
            list(publishers.map(lambda version: shop.publish(0, worlds[version], version), worlds))
        standing = flag_summary(shop.writer)["model_version"].to_pylist()
        assert len(standing) == 1
        assert shop.flagged() == set(worlds[standing[0]])


def relations(shop: Shop) -> set[str]:
    found = shop.read("SELECT relname FROM pg_class WHERE relnamespace = 'trailguard'::regnamespace")
    return {name for (name,) in found}


def kill_when(postgres: PostgresServer, watch: str, database: str) -> Thread:
    """Ends the session that `watch` finds first; pid is its only column."""

    def look() -> None:
        for _ in range(2000):
            for (pid,) in postgres.execute(watch, database=database):
                postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
                return
            time.sleep(0.005)

    thread = Thread(target=look)
    thread.start()
    return thread


def test_a_publisher_killed_while_it_copies_leaves_nothing(shop: Shop, postgres: PostgresServer, migrated: str):
    shop.publish(0, {"ann": FLAGGED})
    before, told = relations(shop), shop.digest()
    many = {f"user-{number}": FLAGGED for number in range(20_000)}
    killer = kill_when(postgres, "SELECT pid FROM pg_stat_progress_copy WHERE command = 'COPY FROM'", migrated)
    with pytest.raises(psycopg2.OperationalError):
        shop.publish(0, many)
    killer.join()
    assert (relations(shop), shop.digest()) == (before, told)
    assert shop.publish(0, many).active == 20_000


def test_a_publisher_killed_before_it_commits_leaves_nothing(
    shop: Shop, reading: connection, postgres: PostgresServer, migrated: str
):
    before, told = relations(shop), shop.digest()
    waiting = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%swap_flags%' AND wait_event_type = 'Lock'"
    killer = kill_when(postgres, waiting, migrated)
    with pytest.raises(psycopg2.OperationalError):
        shop.publish(0, {"ann": FLAGGED})  # the reader is in the way of the swap
    killer.join()
    assert (relations(shop), shop.digest()) == (before, told)
    reading.rollback()
    assert shop.publish(0, {"ann": FLAGGED}).active == 1


def test_a_staged_table_that_nobody_swapped_is_swept(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    before = relations(shop)
    with closing(psycopg2.connect(shop.writer)) as session, session, session.cursor() as rows:
        rows.execute("SELECT stage_flags('user_flag', %s, NULL, NULL)", [day(3).start])
    assert relations(shop) > before
    shop.publish(0, {"ann": FLAGGED})
    assert relations(shop) == before
