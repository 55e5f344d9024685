"""Stages with the arguments that the DAGs give them, in the order in which the DAGs run them."""

from dataclasses import dataclass
from datetime import date, timedelta

from plugins.trailguard_accounts import Account


@dataclass(frozen=True)
class Step:
    stage: str
    arguments: tuple[str, ...]
    module: str = "ml"
    account: Account = Account.PIPELINE


def step(stage: str, *, module: str = "ml", account: Account = Account.PIPELINE, **options: object) -> Step:
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return Step(stage, tuple(words), module, account)


def interval(day: date) -> dict[str, str]:
    return {"start": f"{day}T00:00:00+00:00", "end": f"{day + timedelta(days=1)}T00:00:00+00:00"}


def score_users(day: date, threshold_id: str, version: str = "1") -> list[Step]:
    """By the version in production that acts."""
    of = interval(day)
    return [
        step("plan-shards", **of),
        step("score-shard", **of, version=version),
        step("scores", module="expectations", **of, model="trailguard", version=version),
        step("decide-flags", **of, threshold_id=threshold_id),
        step("publish-flags", **of, threshold_id=threshold_id, dag_run_id=f"fault {day}"),
    ]


def ingest(stream: str, day: date) -> list[Step]:
    """stream: events or labels."""
    of = interval(day)
    return [step(f"read-{stream}", **of), step(stream, module="expectations", **of), step(f"publish-{stream}", **of)]


def unchecked(steps: list[Step]) -> list[Step]:
    """Without Great Expectations, which change nothing and take longer than the stages between which they stand."""
    return [each for each in steps if each.module == "ml"]
