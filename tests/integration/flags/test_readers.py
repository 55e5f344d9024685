import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event, Thread

import psycopg2
import pytest
from psycopg2.extensions import connection

from ml.flags import store as store_module
from ml.flags.store import ReadersInTheWay
from tests.flag_rows import day
from tests.integration.flags.shop import BELOW, EXPIRY, FLAGGED, Shop


def test_readers_see_all_of_an_interval_or_the_one_before(shop: Shop):
    worlds = [{f"user-{number}": score for number in range(size)} for size, score in [(40, 0.9), (25, 0.95)]]
    shop.publish(0, worlds[0])
    done, seen = Event(), []

    def read() -> None:
        with closing(psycopg2.connect(shop.recommender)) as session, session.cursor() as rows:
            session.autocommit = True
            while not done.is_set():
                rows.execute("SELECT count(*), min(score), max(score) FROM current_flag")
                seen.append(rows.fetchone())

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for swap in range(30):
        shop.publish(0, worlds[(swap + 1) % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert len(seen) > 30
    assert set(seen) == {(40, 0.9, 0.9), (25, 0.95, 0.95)}


def test_a_long_reader_delays_the_swap_but_no_other_reader(shop: Shop, reading: connection):
    waits = []
    with ThreadPoolExecutor(1) as publishing:
        published = publishing.submit(shop.publish, 0, {"ann": FLAGGED})
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            started = time.monotonic()
            assert shop.flagged() == set()
            waits.append(time.monotonic() - started)
        assert not published.done()
        reading.rollback()
        assert published.result(timeout=20).swap_seconds > 1
    assert max(waits) < 1
    assert shop.flagged() == {"ann"}


def test_a_reader_who_never_ends_leaves_the_old_flags_standing(shop: Shop, reading: connection, monkeypatch):
    monkeypatch.setattr(store_module, "PAUSES", [0.0, 0.0])
    with pytest.raises(ReadersInTheWay, match=r"2014-03-01.*attempts=2"):
        shop.publish(0, {"ann": FLAGGED})
    assert shop.rows() == set()


def test_a_transaction_that_began_before_the_swap_reads_no_empty_interval(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    with closing(psycopg2.connect(shop.recommender)) as session, session.cursor() as rows:
        session.set_session(isolation_level="REPEATABLE READ")
        rows.execute("SELECT 1")
        shop.publish(0, {"bob": FLAGGED, "cem": FLAGGED})
        rows.execute("SELECT count(*) FROM current_flag")
        assert rows.fetchone() == (2,)


def test_attaching_a_partition_reads_none_of_its_rows(shop: Shop):
    with closing(psycopg2.connect(shop.writer)) as session, session.cursor() as rows:
        rows.execute("SELECT stage_flags('user_flag', %s, NULL, NULL)", [day(0).start])
        rows.execute("SET LOCAL client_min_messages = debug1")
        rows.execute("SELECT swap_flags('user_flag', %s)", [day(0).start])
        assert any("is implied by existing constraints" in notice for notice in session.notices)


def test_one_users_flag_is_looked_up_in_unexpired_partitions_alone(shop: Shop):
    many = {f"user-{number}": FLAGGED for number in range(2000)}  # a table of one page is not worth an index
    for number in range(8):
        shop.publish(number, {"ann": FLAGGED} | many)
    plan = shop.read("EXPLAIN SELECT * FROM current_flag WHERE user_id = 'ann'", "trailguard_writer")
    scans = [line for (line,) in plan if "Scan" in line and " on user_flag_" in line]
    assert len(scans) == EXPIRY.days
    assert all("Index Scan" in line for line in scans)


def test_a_prepared_lookup_follows_every_publication(shop: Shop):
    """Its plan holds the oldest unexpired interval as a constant: publishing must replace the plan."""
    shop.publish(3, {"bob": BELOW})
    with closing(psycopg2.connect(shop.recommender)) as session, session.cursor() as rows:
        session.autocommit = True
        rows.execute("PREPARE lookup (text) AS SELECT score FROM current_flag WHERE user_id = $1")

        def look_up() -> list[tuple]:
            for _ in range(7):  # from the sixth on, the plan is kept
                rows.execute("EXECUTE lookup ('ann')")
            return rows.fetchall()

        assert look_up() == []
        shop.publish(2, {"ann": FLAGGED})  # older than all that the plan knows
        assert look_up() == [(FLAGGED,)]
        shop.publish(4, {"ann": 0.95})
        assert look_up() == [(0.95,)]
        shop.publish(5, {"ann": BELOW})
        assert look_up() == []
        shop.publish(5, {})
        assert look_up() == [(0.95,)]
        shop.publish(6, {})
        assert look_up() == []
