"""What a demo shows at its end: flags read back as the recommender, metrics beside the baseline's, addresses, times."""

import json
from dataclasses import dataclass

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from infra.local.stack import Stack
from ml.flags.read import current_flags, flag_summary

SHOWN = 10
PREFIXES = ("3", "5", "10", "all")


@dataclass(frozen=True)
class Flags:
    """rows: flag rows of all published intervals. best: what the recommender sees, the surest first."""

    rows: int
    summary: pa.Table
    best: pa.Table


def read_flags(stack: Stack) -> Flags:
    """Reads as the roles that would: the recommender its view, the analyst the history."""
    summary = flag_summary(stack.postgres.url("trailguard_analyst", "trailguard"))
    best = current_flags(stack.postgres.url("trailguard_recommender", "trailguard"), SHOWN)
    counted = ("users_active", "users_holdout", "users_shadow", "users_cleared")
    rows = sum(sum(summary[name].to_pylist()) for name in counted)
    return Flags(rows, summary, best)


def print_report(
    screen: Console, stack: Stack, flags: Flags, metrics: dict, seconds: dict[str, float], total: float
) -> None:
    screen.print(_summary_table(flags.summary))
    screen.print(_flag_table(flags.best))
    screen.print(_metrics_table(metrics))
    screen.print(_time_table(seconds, total))
    screen.print(f"Airflow  http://{stack.site.airflow}   user admin, password in {stack.home}/secrets.env")
    screen.print(f"MLflow   http://{stack.site.mlflow}")
    screen.print("SQL      make psql      stop  make down      remove all state  make clean")


def _summary_table(summary: pa.Table) -> Table:
    table = Table(title="Published intervals")
    counted = {"scored": "users_scored", "too short": "users_too_short", "too unlike": "users_too_unlike"}
    counted |= {"active": "users_active", "held out": "users_holdout", "cleared": "users_cleared"}
    for name in ("interval", "version", *counted):
        table.add_column(name, justify="left" if name == "interval" else "right", no_wrap=name == "interval")
    for row in summary.to_pylist():
        table.add_row(
            row["interval_start"].date().isoformat(),
            row["model_version"],
            *(str(row[name]) for name in counted.values()),
        )
    return table


def _flag_table(best: pa.Table) -> Table:
    table = Table(title="current_flag, read as trailguard_recommender")
    for name in ("user", "score", "threshold", "interval", "reasons (log-odds)"):
        table.add_column(name, justify="right" if name in ("score", "threshold") else "left")
    for row in best.to_pylist():
        reasons = ", ".join(f"{r['code']} {r['contribution']:+.1f}" for r in json.loads(row["reason_codes"]))
        numbers = (f"{row['score']:.3f}", f"{row['threshold']:.3f}")
        table.add_row(row["user_id"], *numbers, row["interval_start"].date().isoformat(), reasons)
    return table


def _metrics_table(metrics: dict) -> Table:
    """metrics: model -> prefix -> {"roc_auc": ..., "average_precision": ...}."""
    table = Table(title="Users first seen after the training date, after so many events of theirs")
    table.add_column("metric")
    table.add_column("model", no_wrap=True)
    for prefix in PREFIXES:
        table.add_column(prefix, justify="right")
    for name in ("roc_auc", "average_precision"):
        for model, found in metrics.items():
            sign = "+" if " - " in model else ""
            table.add_row(name, model, *(f"{found[prefix][name]:{sign}.3f}" for prefix in PREFIXES))
        table.add_section()
    return table


def _time_table(seconds: dict[str, float], total: float) -> Table:
    table = Table(title="Time")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for name, taken in seconds.items():
        table.add_row(name, f"{taken:.1f}")
    table.add_section()
    table.add_row("all", f"{total:.1f}")
    return table
