"""Measures Trailguard beside what a user would otherwise pick: one table, and bench/results.json."""

import importlib
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from ml.files import write_json
from tests.bench.page import figure, wanted, write_page
from tests.bench.rows import Row

RESULTS = Path(__file__).parents[2] / "bench" / "results.json"
GROUPS = (
    "sequences",
    "inference",
    "threads",
    "publishing",
    "training",
    "evidence",
    "reviews",
    "guarantee",
    "promise",
    "updating",
    "growth",
    "airflow",
)


def measure(
    groups: Annotated[list[str] | None, typer.Argument(help=f"Which of {', '.join(GROUPS)}; all by default.")] = None,
    quick: Annotated[bool, typer.Option(help="Smaller data, fewer repetitions: under three minutes.")] = False,
) -> None:
    """Run the groups, print the table, and keep the rows of the groups that ran in bench/results.json."""
    rows: list[Row] = []
    for group in groups or GROUPS:
        Console(stderr=True).print(f"[bold]{group}[/bold]")
        rows += importlib.import_module(f"tests.bench.{group}").measure(quick=quick)
    show(rows)
    keep(rows, quick=quick)


def show(rows: list[Row]) -> None:
    table = Table(title=machine())
    for title in ("name", "ours", "peer", "unit", "ratio", "spread", "wanted"):
        table.add_column(title, justify="left" if title in ("name", "unit") else "right")
    for row in rows:
        spread = f"{row.low:.3g} to {row.high:.3g}"
        table.add_row(
            row.name, figure(row.ours), figure(row.peer), row.unit, f"{row.ratio:.3g}", spread, wanted(row.name)
        )
    Console(width=120).print(table)


def keep(rows: list[Row], *, quick: bool) -> None:
    """Replaces the rows of the same names, here and in docs/, and leaves the others, each with machine and date."""
    kept = {row["name"]: row for row in (json.loads(RESULTS.read_text()) if RESULTS.exists() else [])}
    told = {"machine": machine(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "quick": quick}
    kept |= {row.name: asdict(row) | told for row in rows}
    write_json(RESULTS, list(kept.values()))
    write_page(list(kept.values()))


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    typer.run(measure)
