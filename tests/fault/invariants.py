"""What must hold after every fault, whatever befell whom: one function."""

import time
from collections import Counter
from dataclasses import dataclass

import psutil

from ml.contracts.lake import PENDING
from ml.registry.model_registry import CHAMPION
from tests.fault.facts import (
    Facts,
    accepted_events,
    ledger,
    quarantined_rows,
    read_facts,
    rows_told,
    staged_leftovers,
)
from tests.fault.shop import Shop

SOON = 60  # seconds
STATES = {"active": "users_active", "holdout": "users_holdout", "shadow": "users_shadow"}


@dataclass(frozen=True)
class Verdict:
    """lost: flags of the undisturbed shop that are not there as they were. doubled: flags that are there twice, or that
    the undisturbed shop does not have. half_published: intervals, tables and reads that are neither the old state nor
    the new. wrong: what else does not hold, in words."""

    lost: int
    doubled: int
    half_published: int
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.half_published or self.wrong)


def check_invariants(shop: Shop, truth: Facts, odd_reads: int = 0) -> Verdict:
    """truth: of the shop before any fault. odd_reads: states that the recommender should not have been shown.

    No flag is lost, doubled or half-published; the ledger is consistent; the quarantine adds up; what follows from the
    same inputs is the same as without the fault.
    """
    found = read_facts(shop)
    half = _half_published(shop, found)
    return Verdict(
        lost=_missing(truth.flags, found.flags) + _missing(truth.shown, found.shown),
        doubled=_missing(found.flags, truth.flags) + _missing(found.shown, truth.shown),
        half_published=len(half) + odd_reads,
        wrong=(*half, *_ledger(shop), *_quarantine(shop, found), *_others(shop, truth, found)),
    )


def _missing(wanted: Counter, found: Counter) -> int:
    return (wanted - found).total()


def _half_published(shop: Shop, found: Facts) -> list[str]:
    """Each standing run's counts are those of its rows, and there is nothing else."""
    counted = Counter(
        (start, rows_told(row)["state"]) for table, _, start, row in found.flags.elements() if table == "user_flag"
    )
    runs = {start: rows_told(row) for start, row in found.runs}
    wrong = [
        f"{start}: {counted[start, state]} rows {state}, {run[name]} in scoring_run"
        for start, run in runs.items()
        for state, name in STATES.items()
        if counted[start, state] != run[name]
    ]
    wrong += [f"{start}: rows and no run" for start in {start for start, _ in counted} - runs.keys()]
    wrong += [f"{start}: several runs stand" for start, count in Counter(s for s, _ in found.runs).items() if count > 1]
    return wrong + [f"{name} is left over" for name in staged_leftovers(shop)]


def _ledger(shop: Shop) -> list[str]:
    moves, wrong, at = ledger(shop), [], None
    for before, to, _ in moves:
        wrong += [f"ledger: from {before}, and the champion was {at}"] if before != at else []
        at = to
    alias = str(shop.registry.get_model_version_by_alias("trailguard", CHAMPION).version)
    wrong += [f"ledger: the champion is {at}, MLflow says {alias}"] if alias != at else []
    named = Counter(run for *_, run in moves if run)
    return wrong + [f"ledger: {run} has moved twice" for run, count in named.items() if count > 1]


def _quarantine(shop: Shop, found: Facts) -> list[str]:
    """rows in == accepted + duplicate + quarantined, in the database and in the lake, and as many rows lie there."""
    kept, accepted, wrong = quarantined_rows(shop), accepted_events(shop), []
    for stream, day, rows_in, good, again, bad in found.accounts:
        if rows_in != good + again + bad or kept.pop((stream, day), 0) != bad:
            wrong.append(f"quarantine: {stream} of {day} do not add up")
        if stream == "events" and accepted.pop(day, 0) != good:
            wrong.append(f"events: {day} does not hold what was accepted")
    wrong += [f"quarantine: nobody accounts for {where}" for where in kept if where[1] != "undated"]
    return wrong + [f"events: nobody accounts for {day}" for day in accepted]


def _others(shop: Shop, truth: Facts, found: Facts) -> list[str]:
    same = {name: getattr(truth, name) == getattr(found, name) for name in vars(truth)}
    wrong = [f"{name}: others than without the fault" for name in vars(truth) if not same[name]]
    wrong += ["accounting: database and lake differ"] if found.partitions != found.accounts else []
    wrong += [f"a publisher's marker is left: {path.name}" for path in (shop.lake / "events" / PENDING).glob("*_*")]
    return wrong + [f"still at work: {name}" for name in _never_ending(shop)]


def _never_ending(shop: Shop) -> list[str]:
    """Stages that nobody has waited for and that are not over soon."""
    give_up = time.monotonic() + SOON
    while (found := stages_at_work(shop)) and time.monotonic() < give_up:
        time.sleep(0.5)
    return found


def stages_at_work(shop: Shop) -> list[str]:
    """Stages of this shop that run although nobody waits for them."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if words[1:3] in (["-m", "ml"], ["-m", "expectations"]) and (
                process.environ().get("TRAILGUARD_HOME") == str(shop.stack.home)
            ):
                found.append(" ".join(words[3:4]))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
