"""The three databases and their login roles. What the trailguard roles may do is granted by the migrations."""

from collections.abc import Mapping

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from infra.local.secrets import ROLES, password_name
from infra.postgres.roles import create_role

OWNERS = {"airflow": "airflow", "mlflow": "mlflow", "trailguard": "trailguard_owner"}
GUESTS = {"trailguard": ("trailguard_writer", "trailguard_recommender", "trailguard_analyst", "trailguard_eraser")}


def create_roles_and_databases(superuser_dsn: str, secrets: Mapping[str, str]) -> None:
    """Creates what is missing and sets the roles' passwords to those in `secrets`; safe to repeat.

    superuser_dsn: a libpq address, `postgresql://postgres:...@host:port/postgres`.
    """
    session = psycopg2.connect(superuser_dsn)
    session.autocommit = True  # CREATE DATABASE refuses to run in a transaction
    try:
        for role in ROLES:
            create_role(session, role, secrets[password_name(role)])
        for database, owner in OWNERS.items():
            _create_database(session, database, owner)
    finally:
        session.close()


def _create_database(session: connection, database: str, owner: str) -> None:
    name = sql.Identifier(database)
    with session.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(owner)))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        for guest in GUESTS.get(database, ()):
            cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(guest)))
