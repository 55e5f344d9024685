"""`python -m tests.soak`: a week of simulated days through the real scheduler, and the diary of what went by itself.

Takes about 25 minutes on two cores. State stays in .trailguard/soak until the next soak.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer

from infra.local.homes import ROOT
from infra.local.journey import screen
from infra.local.stack import Stack
from ml.files import write_json
from tests.soak.checks import check
from tests.soak.facts import read_facts
from tests.soak.page import write_page
from tests.soak.shop import WEEK_DAYS, WORLD, day
from tests.soak.truth import Truth
from tests.soak.week import play, prepare

HOME, DOCS = ROOT / "soak", Path(__file__).parents[2] / "docs"
FACTS = "facts.json"


def soak(
    page_only: Annotated[bool, typer.Option("--page-only", help="Write the page anew from the last week.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look around.")] = False,
) -> None:
    """Play the week, write docs/soak.md and docs/soak.png, and fail where the story is not as it must be."""
    facts = json.loads((HOME / FACTS).read_text()) if page_only else live_through(keep=keep)
    write_page(facts, DOCS)
    broken = [told for told, holds in check(facts).items() if not holds]
    for told in broken:
        screen.print(f"[red]not so:[/] {told}")
    raise typer.Exit(1 if broken else 0)


def live_through(*, keep: bool) -> dict:
    """The facts, which also stay in the home's facts.json."""
    began = time.monotonic()
    try:
        week = prepare(HOME)
        evenings = play(week)
        facts = read_facts(week, evenings, Truth.of(WORLD, day(1), day(WEEK_DAYS)))
    finally:
        if not keep:
            Stack(HOME).down()
    minutes = round((time.monotonic() - began) / 60)
    facts["made"] = {"machine": machine(), "made": f"{datetime.now(UTC):%Y-%m-%d}", "minutes": minutes}
    write_json(HOME / FACTS, facts)
    return facts


def machine() -> str:
    return f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"


if __name__ == "__main__":
    typer.run(soak)
