"""The login roles of the trailguard database. What each may do is granted by the migrations."""

from collections.abc import Mapping
from contextlib import closing

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password

from ml.errors import ExitCode, TrailguardError

OWNER = "trailguard_owner"
ROLES = (
    OWNER,
    "trailguard_writer",
    "trailguard_promoter",
    "trailguard_recommender",
    "trailguard_analyst",
    "trailguard_eraser",
)
SETTING_UP = 7_417_002  # the advisory lock that one set-up holds; roles belong to the whole server


class PasswordMissing(TrailguardError):
    """A database role has no password."""

    exit_code = ExitCode.USAGE


def create_roles(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Creates the roles that are missing, sets their passwords and gives the database to trailguard_owner.

    superuser_url: a superuser's address of the trailguard database itself, which must exist.
    passwords: role -> password, one for each of ROLES.
    Safe to repeat, also at the same time. Raises PasswordMissing.
    """
    missing = [role for role in ROLES if not passwords.get(role)]
    if missing:
        raise PasswordMissing(roles=", ".join(missing))
    with closing(psycopg2.connect(superuser_url)) as session, session, session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SETTING_UP])
        for role in ROLES:
            create_role(session, role, passwords[role])
        database = sql.Identifier(session.info.dbname)
        cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(OWNER)))


def create_role(session: connection, role: str, password: str) -> None:
    """Creates a login role without any right of its own, or sets its password."""
    # encrypted on this side, so that no server log can ever show the password itself
    encrypted = encrypt_password(password, role, scope=session, algorithm="scram-sha-256")
    rights = sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD")
    with session.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
        verb = sql.SQL("ALTER" if cursor.rowcount else "CREATE")
        cursor.execute(sql.SQL("{} ROLE {} {} %s").format(verb, sql.Identifier(role), rights), [encrypted])
