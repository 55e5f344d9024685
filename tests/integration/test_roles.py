"""Each role, on a connection of its own: what it may do and what it may not."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors

from infra.postgres.roles import OWNER
from ml.flags.store import FlagStore
from ml.flags.thresholds import ThresholdStore
from tests.flag_rows import THRESHOLD, Lake, day, event_flags_of, flags_of, run_of

RoleUrl = Callable[[str], str]
START = f"timestamptz '{day(0).start.isoformat()}'"
PROMOTE = (
    "INSERT INTO promotion_ledger (model_name, alias, to_version, decided_by, reason, gate_results)"
    " VALUES ('trailguard', 'champion', '1', 'dora', 'first', '{}')"
)
LABEL = (
    "INSERT INTO label (user_id, label, kind, source, confidence, observed_at)"
    " VALUES ('ann', 1, 'bot', 'moderators', 1, '2014-03-01')"
)
REVIEW = (
    "INSERT INTO review (user_id, interval_start, verdict, kind, reviewer)"
    f" VALUES ('ann', {START}, 'anomalous', 'bot', 'dora')"
)
SWAP = f"SELECT stage_flags('user_flag', {START}, NULL, NULL), swap_flags('user_flag', {START})"
TABLES = [
    "user_flag", "event_flag", "scoring_run", "threshold", "promotion_ledger", "label", "review", "ingested_partition",
    "review_suggestion", "erased_user", "erasure", "schema_migration",
]  # fmt: skip
CURRENT = ["current_flag", "current_event_flag"]
HISTORIES = [
    "flag_history", "event_flag_history", "flag_verdict", "flag_counts", "reason_counts", "run_history",
    "threshold_history", "promotion_history", "label_history", "review_history", "partition_history",
    "suggested_review", "erasure_history",
]  # fmt: skip
ERASE = [
    f"SELECT ask_erasure('{'a' * 64}')",
    "SELECT * FROM find_traces('ann', NULL)",
    f"SELECT find_user('{'a' * 64}')",
    f"SELECT ask_erasure('{'a' * 64}'), erase_user('ann', NULL, '{'a' * 64}', 'asked to', 'dora', NULL, '{{}}')",
]
EVERYBODY = ["trailguard_writer", "trailguard_recommender", "trailguard_analyst", "trailguard_eraser"]


def reads(names: list[str]) -> list[str]:
    return [f"SELECT * FROM {name}" for name in names]


MAY = {
    "trailguard_recommender": reads(CURRENT),
    "trailguard_analyst": [*reads(CURRENT + HISTORIES), REVIEW],
    "trailguard_writer": [
        *reads(TABLES[:-2] + CURRENT),
        SWAP,
        PROMOTE,
        LABEL,
        f"DELETE FROM user_flag WHERE interval_start = {START}",
        "UPDATE scoring_run SET stands = stands",
        "CREATE TEMPORARY TABLE arrived ()",
    ],
    "trailguard_eraser": ERASE,
}
NOBODY_MAY = [
    "UPDATE erasure SET reason = 'other'",
    "DELETE FROM erasure",
    "DELETE FROM erased_user",
    "INSERT INTO erased_user (user_digest) VALUES ('a')",
    "SELECT * FROM text_columns()",
    "CREATE TABLE trailguard.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION trailguard.mine() RETURNS int LANGUAGE sql RETURN 1",
    "DROP TABLE user_flag",
    "ALTER TABLE user_flag DROP CONSTRAINT active_has_a_reason",
    "TRUNCATE label",
    "UPDATE threshold SET value = 0",
    "DELETE FROM threshold",
    "UPDATE promotion_ledger SET reason = 'other'",
    "DELETE FROM promotion_ledger",
    "UPDATE label SET label = 0",
    "DELETE FROM label",
    "UPDATE review SET verdict = 'good', kind = 'none'",
    "DELETE FROM review",
    "UPDATE user_flag SET state = 'cleared'",
    "SELECT * FROM schema_migration",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT rolpassword FROM pg_authid",
    "CREATE ROLE mine",
    "SET ROLE trailguard_owner",
]
MAY_NOT = {
    "trailguard_recommender": [
        *reads(TABLES + HISTORIES), SWAP, REVIEW, PROMOTE, LABEL, "CREATE TEMPORARY TABLE mine ()", *ERASE,
    ],
    "trailguard_analyst": [
        *reads(TABLES), SWAP, PROMOTE, LABEL, "CREATE TEMPORARY TABLE mine ()", *ERASE,
        "INSERT INTO review (user_id, interval_start, verdict, kind, reviewer, reviewed_at)"
        f" VALUES ('ann', {START}, 'good', 'none', 'dora', '2000-01-01')",
    ],
    "trailguard_writer": [REVIEW, *ERASE, "SELECT * FROM erasure"],
    "trailguard_eraser": [
        *reads(TABLES + HISTORIES + CURRENT), SWAP, REVIEW, PROMOTE, LABEL, "SELECT await_turn()",
        f"DELETE FROM user_flag WHERE interval_start = {START}", "CREATE TEMPORARY TABLE mine ()",
    ],
}  # fmt: skip


def flat(of_role: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(role, statement) for role, statements in of_role.items() for statement in statements]


@pytest.fixture(scope="module")
def shop(url_of: RoleUrl) -> RoleUrl:
    """A database with one flagged user and one flagged event."""
    store = FlagStore(url_of("trailguard_writer"))
    ThresholdStore(url_of("trailguard_writer")).record(THRESHOLD)
    run = run_of(day(0), 2)
    events = event_flags_of(run, {("ann", "review-7"): 0.9})
    store.publish(run, flags_of(run, {"ann": 0.9, "bob": 0.8}), Lake().scored_below, events)
    return url_of


def attempt(url: str, statement: str) -> int:
    """Runs a statement and undoes it; returns how many rows it returned or changed."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as rows:
        rows.execute(statement)
        return rows.rowcount


@pytest.mark.parametrize(("role", "statement"), flat(MAY))
def test_a_role_may(shop: RoleUrl, role: str, statement: str):
    attempt(shop(role), statement)


@pytest.mark.parametrize(
    ("role", "statement"), flat(MAY_NOT) + [(role, statement) for statement in NOBODY_MAY for role in EVERYBODY]
)
def test_a_role_may_not(shop: RoleUrl, role: str, statement: str):
    with pytest.raises(errors.InsufficientPrivilege):
        attempt(shop(role), statement)


def test_the_recommender_finds_the_flags_it_may_read(shop: RoleUrl):
    assert attempt(shop("trailguard_recommender"), "SELECT * FROM current_flag") == 2
    assert attempt(shop("trailguard_recommender"), "SELECT * FROM current_event_flag") == 1


@pytest.mark.parametrize("table", ["threshold", "promotion_ledger", "label", "review", "erasure"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_not_even_the_owner_rewrites_what_is_append_only(shop: RoleUrl, table: str, change: str):
    column = {"threshold": "value", "promotion_ledger": "reason", "label": "source", "review": "reviewer"}
    column = column.get(table, "reason")
    with pytest.raises(errors.RestrictViolation, match=f"{table} is append-only"):
        attempt(shop(OWNER), change.format(table, column, column))


def test_the_writer_publishes_into_the_flag_tables_alone(shop: RoleUrl):
    for call in ("stage_flags({}, NULL, NULL)", "gather_flags({}, '{{}}', '{{}}')", "swap_flags({})"):
        with pytest.raises(errors.WrongObjectType, match="label holds no flags"):
            attempt(shop("trailguard_writer"), "SELECT " + call.format(f"'label', {START}"))
    with pytest.raises(errors.WrongObjectType, match="label is no part of user_flag"):
        attempt(
            shop("trailguard_writer"),
            SWAP.replace(", swap", f", gather_flags('user_flag', {START}, '{{label}}', '{{a}}'), swap"),
        )


def test_a_temporary_table_never_stands_in_for_one_of_ours(shop: RoleUrl):
    with closing(psycopg2.connect(shop("trailguard_writer"))) as session, session.cursor() as rows:
        rows.execute("CREATE TEMPORARY TABLE user_flag (fake int)")
        rows.execute("SELECT count(user_id) FROM user_flag")
        assert rows.fetchone() == (2,)


def test_a_condition_that_raises_reveals_nothing_of_hidden_rows(shop: RoleUrl):
    """A leaky function must not be asked about rows that the view hides: bob's, once reviewed as good."""
    with closing(psycopg2.connect(shop("trailguard_analyst"))) as session, session, session.cursor() as rows:
        rows.execute(REVIEW.replace("'ann'", "'bob'").replace("'anomalous', 'bot'", "'good', 'none'"))
    peek = "SELECT user_id FROM current_flag WHERE 1 / (CASE user_id WHEN 'bob' THEN 0 ELSE 1 END) = 1"
    assert attempt(shop("trailguard_recommender"), peek) == 1


@pytest.mark.parametrize("role", EVERYBODY)
def test_a_role_enters_no_other_database(shop: RoleUrl, role: str):
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(shop(role).rpartition("/")[0] + "/airflow")
