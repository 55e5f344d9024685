"""python -m infra.local: the embedded stack from a shell."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from infra.local.health import HEALTHY
from infra.local.homes import CURRENT, all_homes, home_of, make_current
from infra.local.postgres import binary
from infra.local.secrets import ensure_secrets, pseudonym_key
from infra.local.stack import Stack
from infra.local.supervisor import DEAD, Status, tail
from ml.errors import ExitCode, TrailguardError
from plugins.trailguard_accounts import Account, environment_of

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
screen = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
Home = Annotated[Path, typer.Option(help="the state folder")]
Pseudonyms = Annotated[
    bool, typer.Option("--pseudonyms", help="users are known by a keyed hash; the key is generated once, remembered")
]


@app.command()
def up(
    data: Annotated[str | None, typer.Option(help="a shipped dataset's name, a descriptor or its folder")] = None,
    home: Annotated[Path | None, typer.Option(help="the state folder; without it .trailguard/<dataset>")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for the services, remembered")] = None,
    secure: Annotated[bool, typer.Option("--secure", help="MLflow asks everybody who they are; remembered")] = False,
    pseudonyms: Pseudonyms = False,
) -> None:
    """Start what does not run: PostgreSQL, MLflow, Airflow. Returns when all of it is healthy."""
    variables = dict(pair.partition("=")[::2] for pair in setting or [])
    if data:
        variables["TRAILGUARD_DATASET"] = str(Path(data).resolve()) if Path(data).exists() else data
    chosen = home or home_of(data)
    stack = Stack(chosen)
    with screen.status("starting ...", spinner="dots"):
        generated = stack.up(variables, screen.print, secure=secure, pseudonyms=pseudonyms)
    make_current(stack.home)
    if generated:
        _introduce(stack)


@app.command()
def down(
    home: Home = CURRENT, every: Annotated[bool, typer.Option("--all", help="every stack in .trailguard")] = False
) -> None:
    """Stop it, last started first."""
    for folder in all_homes() if every else [home]:
        Stack(folder).down(screen.print)


@app.command()
def status(home: Home = CURRENT) -> None:
    """What runs, where, since when, and the end of a dead service's log. Exit status 1 unless all is healthy."""
    statuses = Stack(home).status()
    screen.print(_table(statuses))
    for dead in (status for status in statuses if status.state == DEAD):
        screen.print(f"[red]{dead.name} died.[/] The end of {dead.log}:")
        screen.print(tail(dead.log), markup=False)
    raise typer.Exit(0 if all(status.state == HEALTHY for status in statuses) else 1)


@app.command()
def restart(service: str, home: Home = CURRENT) -> None:
    """Stop one service and start it again."""
    Stack(home).restart(service, screen.print)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, home: Home = CURRENT) -> None:
    """A SQL shell as the analyst; further arguments go to psql."""
    server = Stack(home).postgres
    address, password = (
        f"postgresql://trailguard_analyst@{server.address}/trailguard",
        server.password("trailguard_analyst"),
    )
    sys.stdout.flush()
    os.execve(binary("psql"), ["psql", address, *context.args], {**os.environ, "PGPASSWORD": password})  # noqa: S606


@app.command()
def env(
    home: Home = CURRENT, account: Annotated[Account, typer.Option(help="whose rights")] = Account.PIPELINE
) -> None:
    """Print export lines; eval them to run stages, airflow or mlflow by hand."""
    for name, value in environment_of(account, Stack(home).environment()).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def env_file(
    data: Annotated[Path, typer.Option(help="the folder with dataset.yaml and the raw files")] = Path("data"),
    pseudonyms: Pseudonyms = False,
) -> None:
    """Write .env for docker compose, mode 600: generated secrets and the data folder. What is there already stays."""
    file = Path(".env")
    paths = {"TRAILGUARD_DATA": str(data.resolve()), "TRAILGUARD_DATASET": f"/data/{data.resolve().name}"}
    _, added = ensure_secrets(file, paths | (pseudonym_key() if pseudonyms else {}))
    screen.print(f"{file}: {len(added)} values written" if added else f"{file}: nothing was missing")


@app.command()
def clean(home: Home = CURRENT) -> None:
    """Stop it and delete its state folder with all data in it."""
    stack = Stack(home)
    stack.remove()
    if not CURRENT.exists():
        CURRENT.unlink(missing_ok=True)
    screen.print(f"{stack.home} removed")


def _introduce(stack: Stack) -> None:
    screen.print("\nPasswords, shown this once; they stay in secrets.env, mode 600:")
    for user, password in stack.logins.items():
        screen.print(f"  {user:<15} {password}", markup=False)


def _table(statuses: list[Status]) -> Table:
    table = Table("service", "state", "pid", "uptime", "memory", "address", box=box.SIMPLE)
    for status in statuses:
        colour = {HEALTHY: "green", DEAD: "red"}.get(status.state, "yellow")
        table.add_row(
            status.name,
            f"[{colour}]{status.state}[/]",
            str(status.pid or ""),
            f"{status.uptime:.0f} s" if status.uptime is not None else "",
            f"{status.memory / 2**20:.0f} MB" if status.memory else "",
            status.address or "",
        )
    return table


def main() -> int:
    try:
        app(standalone_mode=True)
    except TrailguardError as error:
        typer.echo(error, err=True)
        return error.exit_code
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
