"""A disk that is full, a lake that nobody may write."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.fault.fault import Fault
from tests.fault.killed import Chain, advance, events, scoring
from tests.fault.shop import Shop

SMALL = 8192  # bytes of a disk on which nothing of a day has room
INSIDE = Path(__file__).parent / "inside"
PROBE = "import strike, sys; strike.ACTS['full']({'folder': sys.argv[1], 'size': 8192}, ())"


@dataclass(frozen=True)
class Mounted:
    """A stage that sees another disk than the others: `full` of SMALL bytes, or `read_only`. folder: where it lies."""

    chain: Chain
    stage: str
    act: str
    folder: Callable[[Shop, date], object]

    def __call__(self, shop: Shop, round_: int) -> None:
        day = shop.day(round_)
        steps = advance(shop, self.chain, self.stage, day)
        shop.arm(steps[0], self.act, folder=self.folder(shop, day), size=SMALL)
        done = shop.stage(steps[0])
        assert done.status == 1, f"what failed here is tried again: {done.status}"
        assert "No space left" in done.said or "Read-only file system" in done.said, done.said[-500:]
        shop.struck()
        shop.run(*steps)


def may_mount(folder: Path) -> bool:
    """Whether a process may mount a disk of its own here; some containers let none."""
    return subprocess.run([sys.executable, "-c", PROBE, folder], cwd=INSIDE, check=False).returncode == 0


def _scores(shop: Shop, day: date) -> object:
    return shop.lake / "scores" / f"ds={day}" / "model=trailguard" / "version=1"


def _lake(shop: Shop, _: date) -> object:
    return shop.lake


FAULTS = (
    Fault(
        "disk full while a shard is written",
        "a disk of 8 KiB",
        Mounted(scoring, "score-shard", "full", _scores),
        quick=True,
    ),
    Fault(
        "disk full while events are staged",
        "a disk of 8 KiB",
        Mounted(events, "read-events", "full", lambda shop, _: shop.lake / "staging"),
    ),
    Fault(
        "disk full while events are published",
        "a disk of 8 KiB",
        Mounted(events, "publish-events", "full", lambda shop, day: shop.lake / "events" / f"ds={day}"),
    ),
    Fault(
        "lake read-only while flags are decided",
        "the lake is mounted read-only",
        Mounted(scoring, "decide-flags", "read_only", _lake),
    ),
    Fault(
        "lake read-only while events are published",
        "the lake is mounted read-only",
        Mounted(events, "publish-events", "read_only", _lake),
        quick=True,
    ),
)
