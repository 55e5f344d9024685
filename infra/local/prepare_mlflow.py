"""Brings an older MLflow database to the installed version's schema; an empty one is filled by the server itself."""

import os

import sqlalchemy


def main() -> None:
    """Needs MLFLOW_BACKEND_STORE_URI."""
    address = os.environ["MLFLOW_BACKEND_STORE_URI"]
    if not sqlalchemy.inspect(sqlalchemy.create_engine(address)).has_table("alembic_version"):
        return
    from mlflow.cli import cli

    cli(["db", "upgrade", address])  # in this process: a password on a command line is there for all to see


if __name__ == "__main__":
    main()
