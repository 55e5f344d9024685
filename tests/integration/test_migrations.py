import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.local.postgres import PostgresServer
from infra.local.secrets import password_name
from infra.postgres.migrate import (
    MIGRATIONS,
    MigrationEdited,
    MigrationFailed,
    MigrationMisnamed,
    MigrationUnknown,
    migrate,
)
from infra.postgres.roles import OWNER, ROLES, PasswordMissing, create_roles

TABLES = {
    "alert",
    "erased_user",
    "erasure",
    "event_flag",
    "event_flag_blank",
    "ingested_partition",
    "label",
    "monitor_decision",
    "promotion_ledger",
    "review",
    "review_suggestion",
    "schema_migration",
    "scoring_run",
    "threshold",
    "user_flag",
    "user_flag_blank",
}
VIEWS = {
    "alert_history",
    "current_event_flag",
    "current_flag",
    "decision_history",
    "erasure_history",
    "event_flag_history",
    "flag_counts",
    "flag_history",
    "flag_verdict",
    "label_history",
    "partition_history",
    "promotion_history",
    "reason_counts",
    "review_history",
    "run_history",
    "suggested_review",
    "threshold_history",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations that a test may change."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


@pytest.fixture
def database(postgres: PostgresServer, new_database: str) -> str:
    migrate(postgres.dsn(OWNER, new_database))
    return new_database


def test_migrating_again_applies_nothing(postgres: PostgresServer, new_database: str):
    owner = postgres.dsn(OWNER, new_database)
    applied = migrate(owner)
    assert applied == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert migrate(owner) == []


def test_two_runners_started_together_apply_each_migration_once(postgres: PostgresServer, new_database: str):
    owner = postgres.dsn(OWNER, new_database)
    with ThreadPoolExecutor(2) as runners:
        first, second = runners.map(migrate, [owner, owner])
    assert sorted(first + second) == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]


def test_a_later_migration_is_applied_alone(postgres: PostgresServer, database: str, folder: Path):
    number = len(list(folder.glob("*.sql"))) + 1
    (folder / f"{number:04d}_later.sql").write_text("CREATE TABLE later ()")
    assert migrate(postgres.dsn(OWNER, database), folder) == [f"{number:04d}_later"]


def test_an_edited_migration_is_refused_by_name(postgres: PostgresServer, database: str, folder: Path):
    path = folder / "0003_flags.sql"
    path.write_text(path.read_text() + "-- one more thought\n")
    with pytest.raises(MigrationEdited, match="0003_flags"):
        migrate(postgres.dsn(OWNER, database), folder)


def test_a_migration_that_fails_leaves_nothing_of_itself(postgres: PostgresServer, database: str, folder: Path):
    number = len(list(folder.glob("*.sql"))) + 1
    (folder / f"{number:04d}_half.sql").write_text("CREATE TABLE half (); SELECT 1 / 0")
    with pytest.raises(MigrationFailed, match=r"half.*division by zero"):
        migrate(postgres.dsn(OWNER, database), folder)
    assert postgres.execute("SELECT to_regclass('trailguard.half')", database=database) == [(None,)]
    assert migrate(postgres.dsn(OWNER, database)) == []


def test_older_code_refuses_a_newer_database(postgres: PostgresServer, database: str, folder: Path):
    newest = max(folder.glob("*.sql"))
    newest.unlink()
    with pytest.raises(MigrationUnknown, match=newest.stem):
        migrate(postgres.dsn(OWNER, database), folder)


def test_a_gap_in_the_numbers_is_refused(postgres: PostgresServer, new_database: str, folder: Path):
    (folder / "0002_decisions.sql").unlink()
    with pytest.raises(MigrationMisnamed, match=r"0003_flags\.sql"):
        migrate(postgres.dsn(OWNER, new_database), folder)


def test_the_schema_holds_exactly_these_tables_and_views(postgres: PostgresServer, migrated: str):
    query = (
        "SELECT relname FROM pg_class WHERE relkind = ANY(%s)"
        " AND relnamespace = 'trailguard'::regnamespace AND NOT relispartition"
    )
    assert {name for (name,) in postgres.execute(query, [["r", "p"]], migrated)} == TABLES
    assert {name for (name,) in postgres.execute(query, [["v", "m"]], migrated)} == VIEWS


def test_every_table_view_and_column_says_what_it_is(postgres: PostgresServer, migrated: str):
    said = postgres.execute(
        """SELECT relname, attname, CASE attnum WHEN 0 THEN obj_description(c.oid, 'pg_class')
                                               ELSE col_description(c.oid, attnum) END
            FROM pg_class c, LATERAL (SELECT 0 AS attnum, NULL AS attname UNION ALL
                 SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
            WHERE relkind IN ('r', 'p', 'v') AND relnamespace = 'trailguard'::regnamespace""",
        database=migrated,
    )
    assert len(said) > 200
    assert [(table, column) for table, column, comment in said if not comment] == []


def test_flags_are_keyed_by_who_and_when(postgres: PostgresServer, migrated: str):
    keys = postgres.execute(
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'p' AND conrelid IN ('trailguard.user_flag'::regclass, 'trailguard.event_flag'::regclass)",
        database=migrated,
    )
    assert dict(keys) == {
        "user_flag": "PRIMARY KEY (user_id, interval_start)",
        "event_flag": "PRIMARY KEY (event_id, interval_start)",
    }


@pytest.mark.parametrize("parent", ["user_flag", "event_flag"])
def test_the_form_of_a_partition_is_that_of_its_parent(postgres: PostgresServer, migrated: str, parent: str):
    """Otherwise a publisher would find out, when it attaches the partition it has filled."""

    def facts(table: str) -> list[tuple]:
        columns = """SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)
                     FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"""
        checks = """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
                    WHERE conrelid = %s::regclass AND contype = 'c' ORDER BY 1"""
        of_columns, of_checks = (
            postgres.execute(query, [f"trailguard.{table}"], database=migrated) for query in (columns, checks)
        )
        assert of_columns
        assert of_checks
        return of_columns + of_checks

    assert facts(f"{parent}_blank") == facts(parent)


def test_nothing_is_granted_to_everybody(postgres: PostgresServer, migrated: str):
    granted = """
        SELECT 'database', datname::text FROM pg_database, aclexplode(datacl) a
            WHERE datname = current_database() AND a.grantee = 0
        UNION ALL SELECT 'schema', nspname::text FROM pg_namespace, aclexplode(nspacl) a
            WHERE nspname IN ('public', 'trailguard') AND a.grantee = 0
        UNION ALL SELECT 'relation', relname::text FROM pg_class, aclexplode(relacl) a
            WHERE relnamespace = 'trailguard'::regnamespace AND a.grantee = 0
        UNION ALL SELECT 'function', proname::text
            FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
            WHERE pronamespace = 'trailguard'::regnamespace AND a.grantee = 0"""
    assert postgres.execute(granted, database=migrated) == []


def test_functions_that_lend_the_owners_rights_fix_their_search_path(postgres: PostgresServer, migrated: str):
    lending = postgres.execute(
        "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'trailguard'::regnamespace",
        database=migrated,
    )
    assert {name for name, _ in lending} == {
        "ask_erasure",
        "await_turn",
        "erase_user",
        "find_traces",
        "find_user",
        "gather_flags",
        "index_flags",
        "oldest_unexpired_interval",
        "review_becomes_label",
        "stage_flags",
        "swap_flags",
    }
    assert all("search_path=trailguard, pg_temp" in settings for _, settings in lending)


def test_the_command_line_prepares_a_database(postgres: PostgresServer, new_database: str):
    environment = os.environ | {
        "TRAILGUARD_SUPERUSER_URL": postgres.dsn(database=new_database),
        "TRAILGUARD_OWNER_URL": postgres.dsn(OWNER, new_database),
        **{password_name(role): postgres.secrets[password_name(role)] for role in ROLES},
    }

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "infra.postgres", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert call("roles").split() == list(ROLES)
    assert "0003_flags" in call("migrate")
    assert "Nothing to apply" in call("migrate")
    assert "migrate" in call("--help")


def test_a_role_without_a_password_is_named(postgres: PostgresServer, new_database: str):
    with pytest.raises(PasswordMissing, match="trailguard_analyst"):
        create_roles(postgres.dsn(database=new_database), {role: "x" for role in ROLES if role != "trailguard_analyst"})


def test_no_role_has_rights_beyond_its_database(postgres: PostgresServer, migrated: str):
    rights = postgres.execute(
        "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles"
        " WHERE rolname = ANY(%s)",
        [list(ROLES)],
        migrated,
    )
    assert dict(rights) == dict.fromkeys(ROLES, False)
