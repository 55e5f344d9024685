"""Large intervals are staged in parts; here all with more than a few rows are large."""

from contextlib import closing

import psycopg2
import pyarrow as pa
import pytest

from ml.contracts.flags import FLAG_SCHEMA
from ml.flags import staging
from ml.flags import store as store_module
from ml.flags.refused import FlagsRefused
from tests.flag_rows import day, event_flags_of, flags_of, run_of
from tests.integration.flags.shop import BELOW, FLAGGED, Shop

# not in the order of their bytes, and one that ordinary sorting would put elsewhere
USERS = [f"user-{17 * number % 60}" for number in range(60)] + ["Zoe", "émile", "\U0001f600", "'; --", ""]
DAYS = [
    dict.fromkeys(USERS, FLAGGED),
    {user: FLAGGED if number % 2 else BELOW for number, user in enumerate(USERS)},
    {user: FLAGGED if number % 3 else BELOW for number, user in enumerate(USERS)},
]


@pytest.fixture
def parts_of_ten(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(staging, "PART", 10)
    return shop


def parts(shop: Shop, number: int) -> list[int]:
    """How many rows each part of a day's partition holds."""
    name = f"user_flag_{day(number).start:%Y%m%d}"
    found = shop.read(
        "SELECT tableoid::regclass::text, count(*) FROM user_flag"
        f" WHERE interval_start = '{day(number).start}' GROUP BY 1 ORDER BY 1"
    )
    assert all(table.startswith(f"{name}_") for table, _ in found)
    return [count for _, count in found]


def staged(shop: Shop) -> list[tuple]:
    return shop.read("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%\\_staged\\_%'")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2, 0)])
def test_parts_hold_the_rows_of_one_table(shop: Shop, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]):
    """Cleared rows included, those in later intervals too."""
    for number in order:
        shop.publish(number, DAYS[number])
    whole, rows = shop.digest(), shop.rows()
    assert {state for _, _, state, _ in rows} == {"active", "cleared"}
    shop.empty()
    monkeypatch.setattr(staging, "PART", 10)
    for number in order:
        shop.publish(number, DAYS[number])
    assert (shop.digest(), shop.rows()) == (whole, rows)
    assert [len(parts(shop, number)) for number in range(3)] == [3, 3, 3]
    assert min(parts(shop, 0)) > 10
    assert staged(shop) == []


def test_a_table_and_its_parts_replace_each_other(parts_of_ten: Shop):
    for scores in (DAYS[0], {"ann": FLAGGED}, DAYS[0], {}):
        parts_of_ten.publish(0, scores)
        assert parts_of_ten.flagged() == set(scores)
    assert (
        parts_of_ten.read("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^user_flag_2014\\d+_'") == []
    )


def test_flagged_events_are_staged_in_parts_too(parts_of_ten: Shop):
    run = run_of(day(0), 1)
    events = event_flags_of(run, {("ann", f"review-{7 * number % 50}"): 0.9 for number in range(50)})
    parts_of_ten.store.publish(run, flags_of(run, {"ann": FLAGGED}), parts_of_ten.lake.scored_below, events)
    tables = parts_of_ten.read("SELECT tableoid::regclass::text, count(*) FROM event_flag GROUP BY 1")
    assert (len(tables), sum(count for _, count in tables)) == (3, 50)


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [("score_is_a_probability", {"score": 1.5}), ("_pkey", {"user_id": "user-1"})],
)
@pytest.mark.parametrize("place", [0, 30, 64])
def test_one_refused_row_refuses_all_parts(parts_of_ten: Shop, constraint: str, changed: dict, place: int):
    shop = parts_of_ten
    shop.publish(0, DAYS[1])
    told = shop.digest()
    run = run_of(day(0), len(USERS))
    rows = flags_of(run, DAYS[0]).to_pylist()
    rows[place] |= changed
    rows[(place + 1) % 65] |= changed if constraint == "_pkey" else {}
    with pytest.raises(FlagsRefused, match=constraint):
        shop.store.publish(run, pa.Table.from_pylist(rows, schema=FLAG_SCHEMA), shop.lake.scored_below)
    assert (shop.digest(), staged(shop)) == (told, [])


def test_what_a_publisher_leaves_that_dies_after_its_parts_are_committed_is_swept(
    parts_of_ten: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop = parts_of_ten
    shop.publish(0, DAYS[0])
    told = shop.digest()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(store_module, "_swap", die)
        with pytest.raises(KeyboardInterrupt):
            shop.publish(0, DAYS[1])
    assert (shop.digest(), len(staged(shop))) == (told, 2)
    shop.publish(0, DAYS[0])
    assert (shop.digest(), staged(shop)) == (told, [])


def test_a_run_that_is_refused_leaves_no_part(parts_of_ten: Shop):
    run = run_of(day(0), len(USERS))
    unknown = type(run)(**{**vars(run), "threshold_id": "nobody-knows"})
    with pytest.raises(FlagsRefused, match="scoring_run_threshold_id_fkey"):
        parts_of_ten.store.publish(unknown, flags_of(unknown, DAYS[0]), parts_of_ten.lake.scored_below)
    assert staged(parts_of_ten) == []


def test_a_transaction_that_began_before_the_swap_reads_all_parts_and_their_cleared_rows(parts_of_ten: Shop):
    shop = parts_of_ten
    shop.publish(0, DAYS[0])
    shop.publish(1, DAYS[0])
    with closing(psycopg2.connect(shop.writer)) as session, session.cursor() as rows:
        session.set_session(isolation_level="REPEATABLE READ")
        rows.execute("SELECT 1")
        shop.publish(1, DAYS[1])
        rows.execute("SELECT state, count(*) FROM user_flag WHERE interval_start = %s GROUP BY 1", [day(1).start])
        assert dict(rows.fetchall()) == {"active": 32, "cleared": 33}


def test_gathering_and_attaching_read_none_of_the_rows(shop: Shop):
    with closing(psycopg2.connect(shop.writer)) as other, other.cursor() as rows:
        rows.execute("SELECT stage_flags('user_flag', %s, 'm', NULL), index_flags('user_flag')", [day(0).start])
        second = rows.fetchone()[0]
        other.commit()
    with closing(psycopg2.connect(shop.writer)) as session, session.cursor() as rows:
        rows.execute("SELECT stage_flags('user_flag', %s, NULL, 'm'), index_flags('user_flag')", [day(0).start])
        rows.execute("SET LOCAL client_min_messages = debug1")
        rows.execute("SELECT gather_flags('user_flag', %s, %s, '{m}')", [day(0).start, [second]])
        rows.execute("SELECT swap_flags('user_flag', %s)", [day(0).start])
        assert len([notice for notice in session.notices if "is implied by existing constraints" in notice]) == 3


def test_one_users_flag_is_looked_up_in_one_part_of_each_interval(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(staging, "PART", 500)
    for number in range(4):
        shop.publish(number, {f"user-{number}": FLAGGED for number in range(2000)})
    plan = shop.read("EXPLAIN SELECT * FROM current_flag WHERE user_id = 'user-7'", "trailguard_writer")
    scans = [line for (line,) in plan if "Scan" in line and " on user_flag_" in line]
    assert len(scans) == 2
    assert all("Index Scan" in line for line in scans)


def test_a_database_that_sorts_by_a_language_is_not_divided(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(staging, "PART", 10)
    monkeypatch.setattr(staging, "_SORTS_BYTES", "SELECT false")
    shop.publish(0, DAYS[0])
    assert shop.flagged() == set(USERS)
    assert shop.read("SELECT count(DISTINCT tableoid) FROM user_flag") == [(1,)]
