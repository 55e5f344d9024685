"""What the faults did, for people and as JSON."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ml.files import write_json
from tests.fault.fault import Fault, Outcome


def print_table(screen: Console, faults: Sequence[Fault], outcomes: Sequence[Outcome]) -> None:
    table = Table(title="Faults, injected into a running stack")
    for name in ("fault", "rounds", "lost", "doubled", "half-published", "wrong", "seconds"):
        table.add_column(name, justify="left" if name == "fault" else "right", no_wrap=True)
    for fault in faults:
        rounds = [outcome for outcome in outcomes if outcome.fault == fault.name]
        seconds = f"{sum(each.seconds for each in rounds) / max(1, len(rounds)):.1f}"
        table.add_row(fault.name, *map(str, (len(rounds), *add_up(rounds).values())), seconds)
    table.add_section()
    table.add_row(f"{len(faults)} faults", *map(str, (len(outcomes), *add_up(outcomes).values())), "")
    Console(file=screen.file, width=max(110, screen.width)).print(table)


def add_up(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {
        "lost": sum(each.verdict.lost for each in outcomes),
        "doubled": sum(each.verdict.doubled for each in outcomes),
        "half_published": sum(each.verdict.half_published for each in outcomes),
        "wrong": sum(len(each.verdict.wrong) for each in outcomes),
    }


def write_outcomes(path: Path, outcomes: Sequence[Outcome]) -> None:
    """A list of fault, round, lost, doubled, half_published; beside them what else was wrong, in words."""
    rows = [
        {"fault": each.fault, "round": each.round, **vars(each.verdict), "seconds": each.seconds} for each in outcomes
    ]
    write_json(path, rows)
