import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Event, Thread

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection

from infra.local.postgres import PostgresServer
from ml.contracts.flags import State
from ml.contracts.intervals import Interval
from ml.flags import store as store_module
from ml.flags.check import FlagsContradictRun, FlagsMalformed
from ml.flags.read import current_flag, current_flags, flag_summary, table_digest
from ml.flags.store import FlagsRefused, FlagStore, Publication, ReadersInTheWay, ThresholdChanged
from tests.integration.flag_rows import REASONS, THRESHOLD, Lake, day, event_flags_of, flags_of, run_of

EXPIRY = timedelta(days=2)
FLAGGED, OVER_BUDGET, BELOW = 0.9, 0.6, 0.1
RoleUrl = Callable[[str], str]
EMPTY = """
    DO $$ DECLARE partition regclass; BEGIN
        FOR partition IN SELECT inhrelid FROM pg_inherits
                         WHERE inhparent IN ('trailguard.user_flag'::regclass, 'trailguard.event_flag'::regclass) LOOP
            EXECUTE format('DROP TABLE %s', partition);
        END LOOP;
    END $$;
    ALTER TABLE trailguard.review DISABLE TRIGGER append_only;
    ALTER TABLE trailguard.label DISABLE TRIGGER append_only;
    DELETE FROM trailguard.review; DELETE FROM trailguard.label; DELETE FROM trailguard.scoring_run;
    ALTER TABLE trailguard.review ENABLE TRIGGER append_only;
    ALTER TABLE trailguard.label ENABLE TRIGGER append_only;
"""


class Shop:
    """A flag store and its lake; `publish` scores a day with a version and publishes what that flags."""

    def __init__(self, url_of: RoleUrl):
        self.url_of = url_of
        self.writer = url_of("trailguard_writer")
        self.recommender = url_of("trailguard_recommender")
        self.lake = Lake()
        self.empty()

    def empty(self) -> None:
        self.store = FlagStore(self.writer, expiry=EXPIRY)
        with closing(psycopg2.connect(self.url_of("trailguard_owner"))) as session, session, session.cursor() as rows:
            rows.execute(EMPTY)
        self.store.record_threshold(THRESHOLD)

    def publish(self, number: int, scores: dict[str, float], version: str = "1", **more: object) -> Publication:
        interval = day(number)
        self.lake.scores[interval, version] = scores
        run = run_of(interval, len(scores), version)
        flagged = {user: score for user, score in scores.items() if score >= FLAGGED}
        return self.store.publish(run, flags_of(run, flagged), self.lake.scored_below, **more)

    def rows(self) -> set[tuple[str, int, str, float]]:
        """(user, day, state, score) of every row of user_flag."""
        found = self.read("SELECT user_id, interval_start, state, score FROM user_flag")
        return {(user, (start - day(0).start).days, state, score) for user, start, state, score in found}

    def flagged(self) -> set[str]:
        """Users whom the recommender sees."""
        return set(current_flags(self.recommender, limit=1000)["user_id"].to_pylist())

    def read(self, query: str, role: str = "trailguard_writer") -> list[tuple]:
        with closing(psycopg2.connect(self.url_of(role))) as session, session.cursor() as rows:
            rows.execute(query)
            return rows.fetchall()

    def digest(self) -> str:
        return table_digest(self.writer)


@pytest.fixture(scope="module")
def open_shop(url_of: RoleUrl) -> Shop:
    return Shop(url_of)


@pytest.fixture
def shop(open_shop: Shop) -> Shop:
    open_shop.empty()
    open_shop.lake.scores.clear()
    return open_shop


@pytest.fixture
def reading(shop: Shop) -> Iterator[connection]:
    """A recommender that has begun to read the flags and does not end."""
    with closing(psycopg2.connect(shop.recommender)) as session:
        with session.cursor() as rows:
            rows.execute("SELECT count(*) FROM current_flag")
        yield session


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
        rows.execute("SELECT stage_flags('user_flag', %s)", [day(3).start])
    assert relations(shop) > before
    shop.publish(0, {"ann": FLAGGED})
    assert relations(shop) == before


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
        rows.execute("SELECT stage_flags('user_flag', %s)", [day(0).start])
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
    ],
)
def test_flags_that_contradict_a_fact_are_refused_by_its_name(shop: Shop, constraint: str, changed: dict):
    shop.publish(0, {"ann": FLAGGED})
    told = shop.digest()
    run = run_of(day(0), 1)
    with pytest.raises(FlagsRefused, match=f"constraint={constraint}"):
        shop.store.publish(run, flags_of(run, {"ann": FLAGGED}, **changed), shop.lake.scored_below)
    assert shop.digest() == told


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


def test_a_recorded_threshold_never_changes(shop: Shop):
    shop.store.record_threshold(THRESHOLD)
    with pytest.raises(ThresholdChanged, match="trailguard-1"):
        shop.store.record_threshold(type(THRESHOLD)(**{**vars(THRESHOLD), "value": 0.6}))


def review(shop: Shop, user: str, number: int, verdict: str) -> None:
    with closing(psycopg2.connect(shop.url_of("trailguard_analyst"))) as session, session, session.cursor() as rows:
        rows.execute(
            "INSERT INTO review (user_id, interval_start, verdict, kind, reviewer) VALUES (%s, %s, %s, %s, 'dora')",
            [user, day(number).start, verdict, "none" if verdict == "good" else "bot"],
        )


def test_the_newest_review_of_a_flag_decides(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    review(shop, "ann", 0, "good")
    review(shop, "bob", 0, "anomalous")
    assert shop.flagged() == {"bob"}
    states = dict(shop.read("SELECT user_id, (state, cleared_by)::text FROM flag_history", "trailguard_analyst"))
    assert states == {"ann": "(cleared,review)", "bob": "(active,)"}
    review(shop, "ann", 0, "anomalous")
    assert shop.flagged() == {"ann", "bob"}


def test_a_review_outlives_a_second_publication_and_ends_with_a_newer_flag(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    review(shop, "ann", 0, "good")
    shop.publish(0, {"ann": FLAGGED})
    assert shop.flagged() == set()
    shop.publish(1, {"ann": FLAGGED})
    assert shop.flagged() == {"ann"}


def test_a_review_becomes_a_label(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    review(shop, "ann", 0, "good")
    review(shop, "bob", 0, "anomalous")
    labels = shop.read("SELECT user_id, event_id, label, kind, source, observed_at = now() FROM label ORDER BY 1")
    assert [row[:5] for row in labels] == [("ann", None, 0, "none", "review"), ("bob", None, 1, "bot", "review")]


def test_a_review_of_a_flag_that_is_not_there_is_refused(shop: Shop):
    with pytest.raises(psycopg2.errors.ForeignKeyViolation, match="there is no such flag: user ann"):
        review(shop, "ann", 0, "good")
