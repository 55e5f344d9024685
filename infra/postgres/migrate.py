"""Applies the numbered SQL files of `migrations/`, each once and in its own transaction."""

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection

from ml.errors import TrailguardError

MIGRATIONS = Path(__file__).with_name("migrations")
RUNNER = 7_417_001  # the advisory lock that one runner holds
LEDGER = """
    CREATE SCHEMA IF NOT EXISTS trailguard;
    SET search_path = trailguard, pg_temp;
    CREATE TABLE IF NOT EXISTS schema_migration (
        version integer PRIMARY KEY,
        name text NOT NULL,
        sha256 text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE schema_migration IS 'The migrations that made this schema.';
    COMMENT ON COLUMN schema_migration.version IS 'The number its file name starts with.';
    COMMENT ON COLUMN schema_migration.name IS 'Its file name without the suffix.';
    COMMENT ON COLUMN schema_migration.sha256 IS 'Digest of the file as it was applied.';
    COMMENT ON COLUMN schema_migration.applied_at IS 'When, by the clock of the database.';
"""


class MigrationEdited(TrailguardError):
    """A migration was edited after it had been applied.

    Restore the file and put the change into a new migration with the next number.
    """


class MigrationUnknown(TrailguardError):
    """The database has a migration that this code does not have.

    The database was made by newer code: update the code.
    """


class MigrationMisnamed(TrailguardError):
    """A migration's file name does not have the next number.

    Files are named NNNN_name.sql and count 0001, 0002, ... without a gap.
    """


class MigrationFailed(TrailguardError):
    """A migration was refused by PostgreSQL, and undone whole."""


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations, in order. Raises MigrationMisnamed."""
    migrations = []
    for expected, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        if not path.stem.startswith(f"{expected:04d}_"):
            raise MigrationMisnamed(file=path.name, expected=f"{expected:04d}_*.sql")
        migrations.append(Migration(expected, path.stem, path.read_text(encoding="utf-8")))
    return migrations


def migrate(owner_url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Applies what is missing as the owner of the database; returns the names of those applied now.

    The login roles must be there (`create_roles`). Two runners may start together: the second one waits.
    Raises MigrationEdited, MigrationUnknown, MigrationMisnamed, MigrationFailed.
    """
    migrations = read_migrations(folder)
    with closing(psycopg2.connect(owner_url)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [RUNNER])  # released with the session
            cursor.execute(LEDGER)
        pending = _pending(session, migrations)
        for migration in pending:
            _apply(session, migration)
    return [migration.name for migration in pending]


def _pending(session: connection, migrations: list[Migration]) -> list[Migration]:
    with session.cursor() as cursor:
        cursor.execute("SELECT version, name, sha256 FROM schema_migration ORDER BY version")
        applied = {version: (name, digest) for version, name, digest in cursor.fetchall()}
    known = {migration.version: migration for migration in migrations}
    for version, (name, digest) in applied.items():
        if version not in known:
            raise MigrationUnknown(migration=name)
        if known[version].sha256 != digest:
            raise MigrationEdited(migration=name)
    return [migration for migration in migrations if migration.version not in applied]


def _apply(session: connection, migration: Migration) -> None:
    session.autocommit = False
    try:
        with session, session.cursor() as cursor:
            cursor.execute(migration.sql)
            cursor.execute(
                "INSERT INTO schema_migration (version, name, sha256) VALUES (%s, %s, %s)",
                [migration.version, migration.name, migration.sha256],
            )
    except psycopg2.Error as error:
        raise MigrationFailed(migration=migration.name, said=str(error).strip()) from error
    finally:
        session.autocommit = True
