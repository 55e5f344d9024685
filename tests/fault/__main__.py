"""`python -m tests.fault`: every fault, some rounds, one table; ends with 1 where an invariant did not hold."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.local.stack import Stack
from tests.fault.catalogue import FAULTS
from tests.fault.fault import Fault, Outcome, Truth, suffer
from tests.fault.home import open_faulty_shop, reopen
from tests.fault.table import print_table, write_outcomes

FOLDER = Path(".trailguard/fault")
OUTCOMES = Path(".trailguard/faults.json")
screen = Console(highlight=False, soft_wrap=True)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="how often each fault strikes, on another day each time")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="a fault's name or a part of it; may be repeated")] = None,
    names: Annotated[bool, typer.Option("--list", help="print the faults and end")] = False,
    folder: Annotated[Path, typer.Option(help="where the stack lives; emptied first, unless it is kept")] = FOLDER,
    keep: Annotated[bool, typer.Option("--keep", help="go on with the folder's stack, and leave it running")] = False,
) -> None:
    """Injects faults into a running stack of its own, recovers, and counts lost, doubled and half-published flags."""
    chosen = [fault for fault in FAULTS if not only or any(part in fault.name for part in only)]
    if not chosen:
        raise typer.BadParameter("no fault has such a name; --list prints them")
    if names:
        for fault in chosen:
            screen.print(f"{fault.name}: {fault.strikes}")
        return
    outcomes = suffer_all(chosen, rounds, folder, keep=keep)
    print_table(screen, chosen, outcomes)
    write_outcomes(OUTCOMES, outcomes)
    raise typer.Exit(int(not all(outcome.verdict.holds for outcome in outcomes)))


def suffer_all(faults: list[Fault], rounds: int, folder: Path, *, keep: bool) -> list[Outcome]:
    home, outcomes = folder / "home", []
    if not keep:
        Stack(home).down()
        shutil.rmtree(folder, ignore_errors=True)
    try:
        shop = reopen(folder) if keep else open_faulty_shop(folder)
        truth = Truth.of(shop)
        for round_ in range(rounds):
            for fault in faults:
                outcomes.append(suffer(shop, truth, fault, round_))
                _tell(len(outcomes), rounds * len(faults), outcomes[-1])
    finally:
        if not keep:
            Stack(home).down()
    return outcomes


def _tell(number: int, of: int, outcome: Outcome) -> None:
    verdict, when = outcome.verdict, f"round {outcome.round + 1}, {outcome.seconds:.1f} s"
    sign = "[green]✓[/]" if verdict.holds else "[red]✗[/]"
    screen.print(f"{sign} {number:>3} of {of}  {outcome.fault}  [dim]{when}[/]")
    for line in verdict.wrong:
        screen.print(f"      {line}", markup=False)
    if verdict.lost or verdict.doubled:
        screen.print(f"      lost {verdict.lost}, doubled {verdict.doubled}")


if __name__ == "__main__":
    typer.run(main)
