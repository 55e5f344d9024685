"""Every table, view, sequence and function of the live schema, and exactly what each role may do with it.

Each role tries everything on a connection of its own. What is not written down here nobody may do; a relation or
function that is not written down at all fails the test that compares names.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection

from infra.postgres.roles import OWNER, ROLES
from ml.flags import staging
from ml.flags.store import FlagStore
from tests.flag_rows import Lake, day, event_flags_of, flags_of, run_of

RoleUrl = Callable[[str], str]
Rights = dict[str, set[str]]
WRITER, PROMOTER, RECOMMENDER, ANALYST, ERASER = roles = [role for role in ROLES if role != OWNER]
APPENDED = {"SELECT", "INSERT"}
KEPT = APPENDED | {"UPDATE"}
READ = {"SELECT"}
JUDGED = {
    f"INSERT ({column})"
    for column in ("user_id", "event_id", "interval_start", "verdict", "kind", "confidence", "comment", "reviewer")
}

RELATIONS: dict[str, Rights] = {
    "user_flag": {WRITER: APPENDED | {"DELETE"}},
    "user_flag_20140301": {WRITER: APPENDED},
    "user_flag_20140302": {WRITER: READ},  # in parts
    "user_flag_20140302_*": {WRITER: APPENDED},
    "user_flag_blank": {},
    "event_flag": {WRITER: APPENDED | {"DELETE"}},
    "event_flag_20140301": {WRITER: APPENDED},
    "event_flag_20140302": {WRITER: READ},
    "event_flag_20140302_*": {WRITER: APPENDED},
    "event_flag_blank": {},
    "scoring_run": {WRITER: KEPT},
    "threshold": {WRITER: APPENDED, PROMOTER: APPENDED},
    "promotion_ledger": {WRITER: READ, PROMOTER: APPENDED},
    "promotion_ledger_promotion_id_seq": {},
    "label": {WRITER: APPENDED},
    "review": {WRITER: READ, ANALYST: JUDGED},
    "review_review_id_seq": {},
    "review_suggestion": {WRITER: KEPT},
    "ingested_partition": {WRITER: KEPT},
    "alert": {WRITER: APPENDED | {"DELETE"}},
    "monitor_decision": {WRITER: APPENDED},
    "erased_user": {WRITER: READ},
    "erasure": {},
    "erasure_erasure_id_seq": {},
    "schema_migration": {},
    "current_flag": {WRITER: READ, RECOMMENDER: READ, ANALYST: READ},
    "current_event_flag": {WRITER: READ, RECOMMENDER: READ, ANALYST: READ},
    "flag_counts": {WRITER: READ, ANALYST: READ},
    "flag_history": {ANALYST: READ},
    "event_flag_history": {ANALYST: READ},
    "flag_verdict": {ANALYST: READ},
    "reason_counts": {ANALYST: READ},
    "run_history": {ANALYST: READ},
    "threshold_history": {ANALYST: READ},
    "promotion_history": {ANALYST: READ},
    "label_history": {ANALYST: READ},
    "review_history": {ANALYST: READ},
    "partition_history": {ANALYST: READ},
    "suggested_review": {ANALYST: READ},
    "alert_history": {ANALYST: READ},
    "decision_history": {ANALYST: READ},
    "erasure_history": {ANALYST: READ},
}
FUNCTIONS: dict[str, set[str]] = {  # who may call them
    "are_reason_codes": {WRITER},
    "label_id": {WRITER},
    "oldest_unexpired_interval": {WRITER, RECOMMENDER, ANALYST},
    "stage_flags": {WRITER},
    "index_flags": {WRITER},
    "await_turn": {WRITER},
    "gather_flags": {WRITER},
    "swap_flags": {WRITER},
    "ask_erasure": {ERASER},
    "find_traces": {ERASER},
    "find_user": {ERASER},
    "erase_user": {ERASER},
    "text_columns": set(),
    "partition_of": set(),
    "refuse_change": set(),
    "rename_flags": set(),
    "review_becomes_label": set(),
    "staged_flags": set(),
}
BY_COLUMN = {
    "SELECT": "SELECT {column} FROM {name} LIMIT 0",
    "INSERT": "INSERT INTO {name} ({column}) VALUES (DEFAULT)",
    "UPDATE": "UPDATE {name} SET {column} = DEFAULT WHERE false",
}
WHOLE = {"DELETE": "DELETE FROM {name} WHERE false", "TRUNCATE": "TRUNCATE {name}"}
OF_A_SEQUENCE = {"SELECT": "TABLE {name}", "USAGE": "SELECT nextval('{name}')", "UPDATE": "SELECT setval('{name}', 1)"}
# by a view that joins or counts, or of a column that its table makes; no view is granted more than SELECT, see below
TAKES_NO_ROWS = (errors.ObjectNotInPrerequisiteState, errors.WrongObjectType, errors.GeneratedAlways)
OURS = "relnamespace = 'trailguard'::regnamespace"
COLUMNS = f"""
    SELECT relname, relkind, array_agg(attname::text ORDER BY attnum)
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE {OURS} AND relkind NOT IN ('i', 'I') AND attnum > 0 AND NOT attisdropped
    GROUP BY relname, relkind
"""
CALLS = """
    SELECT proname, format('SELECT %I(%s)', proname, (
        SELECT string_agg(format('NULL::%s', format_type(kind, NULL)), ', ') FROM unnest(proargtypes) AS kind))
    FROM pg_proc WHERE pronamespace = 'trailguard'::regnamespace
"""
GRANTED = f"""
    SELECT coalesce(rolname, 'everybody'), privilege_type, of, is_grantable
    FROM (SELECT relacl AS acl, relkind::text AS of, relowner AS owner FROM pg_class WHERE {OURS}
          UNION ALL
          SELECT attacl, relkind::text, relowner FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid WHERE {OURS}
          UNION ALL
          SELECT proacl, 'function', proowner FROM pg_proc WHERE pronamespace = 'trailguard'::regnamespace) AS given,
         aclexplode(acl) LEFT JOIN pg_roles ON oid = grantee
    WHERE grantee <> owner
"""


@pytest.fixture(scope="module")
def owner(flagged: RoleUrl) -> Iterator[connection]:
    """The owner's session in a database that holds an interval in one piece and one in parts."""
    run = run_of(day(1), 3)
    users, events = {"ann": 0.9, "bob": 0.8, "cem": 0.7}, {("ann", "review-7"): 0.9, ("bob", "review-8"): 0.8}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "PART", 1)
        FlagStore(flagged("trailguard_writer")).publish(
            run, flags_of(run, users), Lake().scored_below, event_flags_of(run, events)
        )
    with closing(psycopg2.connect(flagged(OWNER))) as session:
        session.autocommit = True
        yield session


def ask(session: connection, query: str) -> list[tuple]:
    with session.cursor() as rows:
        rows.execute(query)
        return rows.fetchall()


def listed(name: str) -> str:
    """The name under which a relation stands above: a part's ends with the transaction that filled it."""
    return re.sub(r"(_flag_\d{8})_\d+$", r"\1_*", name)


def attempt(session: connection, statement: str) -> psycopg2.Error | None:
    """Tries the statement, undoes it, and returns what stopped it."""
    try:
        with session.cursor() as rows:
            rows.execute(statement)
    except psycopg2.Error as error:
        return error
    finally:
        session.rollback()
    return None


def is_allowed(session: connection, statement: str) -> bool:
    """Whatever else stopped it, a constraint or a trigger: the right to it was there."""
    return not isinstance(attempt(session, statement), (errors.InsufficientPrivilege, *TAKES_NO_ROWS))


def rights(session: connection, name: str, kind: str, columns: list[str]) -> set[str]:
    """What the session's role may do with the relation; by column where not with all of them."""
    if kind == "S":
        return {right for right, attempt in OF_A_SEQUENCE.items() if is_allowed(session, attempt.format(name=name))}
    found = {right for right, attempt in WHOLE.items() if is_allowed(session, attempt.format(name=name))}
    for right, attempt in BY_COLUMN.items():
        may = [column for column in columns if is_allowed(session, attempt.format(name=name, column=column))]
        found |= {right} if may == columns else {f"{right} ({column})" for column in may}
    return found


def test_every_relation_and_function_is_written_down(owner: connection):
    assert {listed(name) for name, *_ in ask(owner, COLUMNS)} == RELATIONS.keys()
    assert {name for name, _ in ask(owner, CALLS)} == FUNCTIONS.keys()


def test_a_table_that_is_not_written_down_is_noticed(owner: connection):
    with owner.cursor() as rows:
        rows.execute("CREATE TABLE surprise (secret text)")
        try:
            assert {listed(name) for name, *_ in ask(owner, COLUMNS)} - RELATIONS.keys() == {"surprise"}
        finally:
            rows.execute("DROP TABLE surprise")


@pytest.mark.parametrize("role", roles)
def test_a_role_may_do_with_each_relation_exactly_what_is_written_down(flagged: RoleUrl, owner: connection, role: str):
    with closing(psycopg2.connect(flagged(role))) as session:
        found = {name: rights(session, name, kind, columns) for name, kind, columns in ask(owner, COLUMNS)}
    assert len(found) > len(RELATIONS)
    assert found == {name: RELATIONS[listed(name)].get(role, set()) for name in found}


@pytest.mark.parametrize("role", roles)
def test_a_role_may_call_exactly_the_functions_that_are_written_down(flagged: RoleUrl, owner: connection, role: str):
    with closing(psycopg2.connect(flagged(role))) as session:
        refused = {
            name
            for name, call in ask(owner, CALLS)
            if f"permission denied for function {name}" in str(attempt(session, call))
        }
    assert FUNCTIONS.keys() - refused == {name for name, may in FUNCTIONS.items() if role in may}


def test_nobody_but_the_roles_is_granted_anything_and_no_role_may_grant_it_on(owner: connection):
    granted = ask(owner, GRANTED)
    assert {who for who, *_ in granted} == set(roles)
    assert {right for _, right, *_ in granted} == {"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE"}
    assert {right for _, right, kind, _ in granted if kind == "v"} == READ
    assert not any(may_grant for *_, may_grant in granted)
