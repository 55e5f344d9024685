"""Each role, on a connection of its own: what it may do and what it may not, beside the rights on each relation."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors

from infra.postgres.roles import OWNER, ROLES
from tests.flag_rows import day

RoleUrl = Callable[[str], str]
START = f"timestamptz '{day(0).start.isoformat()}'"
PROMOTE = (
    "INSERT INTO promotion_ledger (model_name, alias, to_version, decided_by, reason, gate_results)"
    " VALUES ('trailguard', 'champion', '1', 'dora', 'first', '{}')"
)
CHOOSE = (
    "INSERT INTO threshold (threshold_id, model_name, model_version, value, method, guarantee, calibration_data,"
    " valid_from, label_as_of) VALUES ('t', 'trailguard', '1', 0.5, 'copied', 'none', '{}', '2014-03-01', '2014-03-01')"
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
EVERYBODY = [role for role in ROLES if role != OWNER]
ERASE = [
    f"SELECT ask_erasure('{'a' * 64}')",
    "SELECT * FROM find_traces('ann', NULL)",
    f"SELECT find_user('{'a' * 64}')",
    f"SELECT ask_erasure('{'a' * 64}'), erase_user('ann', NULL, '{'a' * 64}', 'asked to', 'dora', NULL, '{{}}')",
]


MAY = {
    "trailguard_recommender": ["SELECT * FROM current_flag", "SELECT * FROM current_event_flag"],
    "trailguard_analyst": ["SELECT * FROM flag_history", REVIEW],
    "trailguard_promoter": [PROMOTE, CHOOSE],
    "trailguard_eraser": ERASE,
    "trailguard_writer": [
        SWAP,
        CHOOSE,
        LABEL,
        f"DELETE FROM user_flag WHERE interval_start = {START}",
        "UPDATE scoring_run SET stands = stands",
        "CREATE TEMPORARY TABLE arrived ()",
    ],
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
    "trailguard_recommender": [SWAP, REVIEW, PROMOTE, CHOOSE, LABEL, "CREATE TEMPORARY TABLE mine ()", *ERASE],
    "trailguard_analyst": [
        *(SWAP, PROMOTE, CHOOSE, LABEL, "CREATE TEMPORARY TABLE mine ()"),
        "INSERT INTO review (user_id, interval_start, verdict, kind, reviewer, reviewed_at)"
        f" VALUES ('ann', {START}, 'good', 'none', 'dora', '2000-01-01')",
    ],
    "trailguard_promoter": [SWAP, REVIEW, LABEL, "CREATE TEMPORARY TABLE mine ()", "SELECT * FROM user_flag"],
    "trailguard_writer": [REVIEW, PROMOTE, *ERASE],
    "trailguard_eraser": [
        *(SWAP, REVIEW, PROMOTE, CHOOSE, LABEL, "CREATE TEMPORARY TABLE mine ()", "SELECT * FROM user_flag"),
        f"DELETE FROM user_flag WHERE interval_start = {START}",
    ],
}


def flat(of_role: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(role, statement) for role, statements in of_role.items() for statement in statements]


def attempt(url: str, statement: str) -> int:
    """Runs a statement and undoes it; returns how many rows it returned or changed."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as rows:
        rows.execute(statement)
        return rows.rowcount


@pytest.mark.parametrize(("role", "statement"), flat(MAY))
def test_a_role_may(flagged: RoleUrl, role: str, statement: str):
    attempt(flagged(role), statement)


@pytest.mark.parametrize(
    ("role", "statement"), flat(MAY_NOT) + [(role, statement) for statement in NOBODY_MAY for role in EVERYBODY]
)
def test_a_role_may_not(flagged: RoleUrl, role: str, statement: str):
    with pytest.raises(errors.InsufficientPrivilege):
        attempt(flagged(role), statement)


def test_the_recommender_finds_the_flags_it_may_read(flagged: RoleUrl):
    assert attempt(flagged("trailguard_recommender"), "SELECT * FROM current_flag") == 2
    assert attempt(flagged("trailguard_recommender"), "SELECT * FROM current_event_flag") == 1


@pytest.mark.parametrize("table", ["threshold", "promotion_ledger", "label", "review", "erasure"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_not_even_the_owner_rewrites_what_is_append_only(flagged: RoleUrl, table: str, change: str):
    column = {"threshold": "value", "promotion_ledger": "reason", "label": "source", "review": "reviewer"}
    column = column.get(table, "reason")
    with pytest.raises(errors.RestrictViolation, match=f"{table} is append-only"):
        attempt(flagged(OWNER), change.format(table, column, column))


def test_the_writer_publishes_into_the_flag_tables_alone(flagged: RoleUrl):
    for call in ("stage_flags({}, NULL, NULL)", "gather_flags({}, '{{}}', '{{}}')", "swap_flags({})"):
        with pytest.raises(errors.WrongObjectType, match="label holds no flags"):
            attempt(flagged("trailguard_writer"), "SELECT " + call.format(f"'label', {START}"))
    with pytest.raises(errors.WrongObjectType, match="label is no part of user_flag"):
        attempt(
            flagged("trailguard_writer"),
            SWAP.replace(", swap", f", gather_flags('user_flag', {START}, '{{label}}', '{{a}}'), swap"),
        )


def test_a_temporary_table_never_stands_in_for_one_of_ours(flagged: RoleUrl):
    with closing(psycopg2.connect(flagged("trailguard_writer"))) as session, session.cursor() as rows:
        rows.execute("CREATE TEMPORARY TABLE user_flag (fake int)")
        rows.execute("SELECT count(user_id) FROM user_flag")
        assert rows.fetchone() == (2,)


def test_a_condition_that_raises_reveals_nothing_of_hidden_rows(flagged: RoleUrl):
    """A leaky function must not be asked about rows that the view hides: bob's, once reviewed as good."""
    with closing(psycopg2.connect(flagged("trailguard_analyst"))) as session, session, session.cursor() as rows:
        rows.execute(REVIEW.replace("'ann'", "'bob'").replace("'anomalous', 'bot'", "'good', 'none'"))
    peek = "SELECT user_id FROM current_flag WHERE 1 / (CASE user_id WHEN 'bob' THEN 0 ELSE 1 END) = 1"
    assert attempt(flagged("trailguard_recommender"), peek) == 1


@pytest.mark.parametrize("role", EVERYBODY)
def test_a_role_enters_no_other_database(flagged: RoleUrl, role: str):
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(flagged(role).rpartition("/")[0] + "/airflow")
