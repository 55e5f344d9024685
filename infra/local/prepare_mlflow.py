"""Makes MLflow ready before its server starts: an older database's schema, and how the server asks who somebody is."""

import os
from collections.abc import Mapping
from configparser import RawConfigParser
from io import StringIO
from pathlib import Path

import sqlalchemy

from infra.local.environment import MLFLOW_USERS
from infra.local.secrets import write_private

REMEMBERED_SECONDS = 60  # a password is hashed once in so long, not at each of a training's many requests


def write_auth_config(variables: Mapping[str, str]) -> None:
    """Writes what the server's basic-auth reads, mode 600. Accounts are kept in tables of their own beside MLflow's.

    variables: the server's, and the administrator's password.
    """
    settings = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": variables["MLFLOW_BACKEND_STORE_URI"],
        "admin_username": "admin",
        "admin_password": variables[MLFLOW_USERS["admin"]],
        "grant_default_workspace_access": "false",
        "auth_cache_ttl_seconds": str(REMEMBERED_SECONDS),
    }
    config, text = RawConfigParser(), StringIO()
    config["mlflow"] = {name: value.replace("%", "%%") for name, value in settings.items()}  # MLflow interpolates
    config.write(text)
    write_private(Path(variables["MLFLOW_AUTH_CONFIG_PATH"]), text.getvalue())


def upgrade_schema(address: str) -> None:
    """Brings an older database to the installed version's schema; an empty one is filled by the server itself."""
    if not sqlalchemy.inspect(sqlalchemy.create_engine(address)).has_table("alembic_version"):
        return
    from mlflow.cli import cli

    cli(["db", "upgrade", address])  # in this process: a password on a command line is there for all to see


def main() -> None:
    """Needs the variables of MLflow's server; to guard it, also the administrator's password."""
    if "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
        write_auth_config(os.environ)
    upgrade_schema(os.environ["MLFLOW_BACKEND_STORE_URI"])


if __name__ == "__main__":
    main()
