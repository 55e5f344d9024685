"""What the commands share: typed arguments and the JSON line at the end."""

import functools
import json
from collections.abc import Callable
from typing import Annotated

import typer

from ml.commands.turns import name_work, take_turn
from ml.privacy.lock import hold_lake
from ml.settings import settings

Start = Annotated[str, typer.Option(help="Start of the interval, ISO 8601, UTC where no zone is given.")]
End = Annotated[str, typer.Option(help="End of the interval, itself outside it.")]
AsOf = Annotated[str, typer.Option(help="Nothing that was not known before this moment is used.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")]
Model = Annotated[str, typer.Option(help="The registered model; the one in production where none is given.")]
Version = Annotated[str, typer.Option(help="Version of the registered model.")]
DagRunId = Annotated[str, typer.Option(help="The DAG run this belongs to, for the records.")]


def new_app(text: str = "") -> typer.Typer:
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def stage(
    app: typer.Typer, *, alone: bool = False, turn: str = ""
) -> Callable[[Callable[..., dict]], Callable[..., None]]:
    """Makes a function that returns facts a command that prints them as JSON on its last line.

    alone: whether it waits until no other stage is at work on the lake, and lets none begin. turn: what it shares with
    other stages and only one of them may be at; by default one process at a time is at a stage of the same interval,
    day or version.
    """

    def register(function: Callable[..., dict]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(*args: object, **kwargs: object) -> None:
            lake, work = settings().lake, turn or name_work(function.__name__, kwargs)
            with hold_lake(lake, alone=alone), take_turn(lake, work):
                found = function(*args, **kwargs)
            typer.echo(json.dumps(found, default=str))

        return app.command()(command)

    return register
