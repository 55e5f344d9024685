"""`python -m tests.run [TIER ...]`: every tier in turn, then how many tests ran in each."""

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SIDE_BY_SIDE = ("-n", "2", "--dist", "loadscope")
WORKERS = {"unit": SIDE_BY_SIDE, "contract": SIDE_BY_SIDE}  # the other tiers share one embedded stack
TIERS = ("unit", "dags", "contract", "integration", "e2e")


@dataclass(frozen=True)
class Count:
    tier: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    status: int


def run_tier(tier: str) -> Count:
    """A tier in which no test was found has failed, whatever pytest says."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ("-q", "--durations=5", f"--junitxml={report}", *WORKERS.get(tier, ()))
        command = [sys.executable, "-m", "pytest", *options, str(TESTS / tier)]
        status = subprocess.run(command, cwd=TESTS.parent, check=False).returncode
        suite = ElementTree.parse(report).getroot().find("testsuite") if report.exists() else None  # noqa: S314 (pytest wrote it)
    seen = {
        name: int(suite.get(name)) if suite is not None else 0 for name in ("tests", "failures", "errors", "skipped")
    }
    failed = seen["failures"] + seen["errors"]
    passed = seen["tests"] - failed - seen["skipped"]
    return Count(
        tier, passed, failed, seen["skipped"], time.monotonic() - start, status if seen["tests"] else status or 1
    )


def main() -> int:
    counts = []
    for tier in sys.argv[1:] or TIERS:
        print(f"\n== {tier}", flush=True)  # noqa: T201
        counts.append(run_tier(tier))
    print(f"\n{'tier':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")  # noqa: T201
    for c in counts:
        print(f"{c.tier:<12}{c.passed:>8}{c.failed:>8}{c.skipped:>9}{c.seconds:>9.0f}")  # noqa: T201
    total = {name: sum(getattr(count, name) for count in counts) for name in ("passed", "failed", "skipped")}
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")  # noqa: T201
    return int(any(count.status for count in counts))


if __name__ == "__main__":
    sys.exit(main())
