"""`python -m infra.postgres`: prepares the trailguard database of any PostgreSQL server, version 18 or later."""

import os
from typing import Annotated

import typer

from infra.postgres import migrate as migrations
from infra.postgres import roles as login_roles
from ml.errors import TrailguardError

app = typer.Typer(
    help="Prepares the trailguard database: first roles, as superuser; then migrate, as its owner.",
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they hold passwords
)
ADDRESS = "postgresql://user:password@host:port/trailguard"


@app.command()
def roles(url: Annotated[str, typer.Option(envvar="TRAILGUARD_SUPERUSER_URL", help=ADDRESS)]) -> None:
    """Creates the login roles. Passwords come from <ROLE>_DB_PASSWORD, as in TRAILGUARD_WRITER_DB_PASSWORD."""
    passwords = {role: os.environ.get(f"{role.upper()}_DB_PASSWORD", "") for role in login_roles.ROLES}
    login_roles.create_roles(url, passwords)
    typer.echo("\n".join(login_roles.ROLES))


@app.command()
def migrate(url: Annotated[str, typer.Option(envvar="TRAILGUARD_OWNER_URL", help=ADDRESS)]) -> None:
    """Applies the migrations that are missing and prints their names."""
    applied = migrations.migrate(url)
    typer.echo("\n".join(applied) if applied else "Nothing to apply.")


def main() -> None:
    try:
        app()
    except TrailguardError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
