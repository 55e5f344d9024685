"""The scoring stages on lakes that grow: time and memory.

A small shop's whole journey leaves a champion in the registry. Then its lake is replaced by larger ones, on whose last
day every user is active, so that each event goes through every stage.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from infra.local.demo import travel
from infra.local.journey import Journey
from infra.local.stack import Stack
from ml.contracts.intervals import Interval
from plugins.trailguard_accounts import Account, environment_of
from tests.bench.rows import Row, alone
from tests.bench.shop import build_lake
from tests.small_shop import WORLD, open_shop

SIZES = (1_000_000, 10_000_000, 100_000_000)
DAY = WORLD.day(WORLD.days - 1)  # the journey has not scored it yet
CORES = os.cpu_count() or 1
GIB = 2**30
screen = Console(stderr=True)


@dataclass(frozen=True)
class Stage:
    """One stage's wall time and the most memory that any process of it held, in bytes."""

    name: str
    seconds: float
    peak: int


def measure(*, quick: bool) -> list[Row]:
    if quick:
        screen.print("growth is left out of the quick run: it starts Airflow and trains a champion first")
        return []
    with small_journey() as journey:
        return grow(journey, SIZES)


@contextmanager
def small_journey() -> Iterator[Journey]:
    with tempfile.TemporaryDirectory() as folder:
        shop, home = Path(folder) / "shop", Path(folder) / "home"
        try:
            yield travel(str(open_shop(shop)), home, approve=True)
        finally:
            Stack(home).down()


def grow(journey: Journey, sizes: tuple[int, ...]) -> list[Row]:
    """A rate and a peak for each size; the exponent is the steepest between neighbouring sizes."""
    told, rows = [], []
    for size in sizes:
        events = replace_lake(journey, size)
        stages = score_bare(journey)
        told.append((events, sum(stage.seconds for stage in stages), max(stage.peak for stage in stages)))
        show(events, stages)
        name = f"{size // 1_000_000}m"
        rows.append(alone(f"score_lake_{name}", [events / told[-1][1]], unit="events/s"))
        rows.append(alone(f"peak_rss_gib_{name}", [told[-1][2] / GIB], unit="GiB"))
    steps = [math.log(later / earlier) / math.log(many / few) for (few, earlier, _), (many, later, _) in pairwise(told)]
    rows.append(Row("growth_exponent", max(steps), None, "", max(steps), min(steps), max(steps)))
    rows.append(alone("peak_rss_gib", [max(peak for *_, peak in told) / GIB], unit="GiB"))
    return rows


def replace_lake(journey: Journey, events: int) -> int:
    """Puts a lake of about so many events in place of the journey's; returns how many there are."""
    lake = journey.stack.home / "lake"
    with tempfile.TemporaryDirectory(dir=journey.stack.home) as folder:
        count = build_lake(Path(folder), events, all_active_on=DAY)
        for name in ("events", "items"):
            shutil.rmtree(lake / name)
            (Path(folder) / name).rename(lake / name)
    return count


def score_bare(journey: Journey) -> list[Stage]:
    """The DAG's stages in its order, a shard on each core."""
    interval = Interval.parse(DAY.isoformat(), (DAY + timedelta(days=1)).isoformat())
    environment = os.environ | environment_of(Account.PIPELINE, journey.stack.environment())
    common = {"start": interval.start.isoformat(), "end": interval.end.isoformat()}
    plan, answer = run_stage(environment, "plan-shards", **common)
    began = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        shards = list(pool.map(lambda shard: run_stage(environment, "score-shard", **shard), answer["shards"]))
    took = time.perf_counter() - began
    scored = Stage("score-shard", took, max(stage.peak for stage, _ in shards))
    validated, _ = run_stage(environment, "scores", module="expectations", version=answer["version"], **common)
    deciding = common | {"threshold-id": answer["threshold_id"]}
    decided, published = (run_stage(environment, stage, **deciding)[0] for stage in ("decide-flags", "publish-flags"))
    return [plan, scored, validated, decided, published]


def run_stage(environment: dict[str, str], stage: str, *, module: str = "ml", **options: object) -> tuple[Stage, dict]:
    """Runs the stage's command; what it measured, and the JSON of its last line."""
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    began, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as told:
        command = [sys.executable, "-m", module, stage, *arguments]
        with subprocess.Popen(command, env=environment, stdout=told, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                peak = max(peak, high_water(process.pid))
                time.sleep(0.05)
        took = time.perf_counter() - began
        told.seek(0)
        lines = told.read().splitlines()
    if process.returncode:
        raise RuntimeError(f"{stage} ended with status {process.returncode}")
    return Stage(stage, took, peak), json.loads(lines[-1])


def high_water(pid: int) -> int:
    """The most memory that the process has held so far, in bytes; what it adds in its last moments may be missed."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else 0


def show(events: int, stages: list[Stage]) -> None:
    for stage in stages:
        screen.print(f"{events:>12,} events  {stage.name:<14} {stage.seconds:8.1f} s  {stage.peak / GIB:5.2f} GiB")
