"""A fault as data, and one round of it: injected, recovered from, checked."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.fault.facts import Facts, read_facts
from tests.fault.invariants import Verdict, check_invariants, stages_at_work
from tests.fault.reader import Recommender, shown_now
from tests.fault.shop import Shop, until


@dataclass(frozen=True)
class Fault:
    """strikes: what happens, in words. inject: makes it happen in a round and recovers as the DAG's runbook says; what
    it finds wrong on the way it raises as AssertionError. quick: whether `make test` injects it too."""

    name: str
    strikes: str
    inject: Callable[[Shop, int], None]
    quick: bool = False


@dataclass(frozen=True)
class Outcome:
    fault: str
    round: int
    verdict: Verdict
    seconds: float


@dataclass(frozen=True)
class Truth:
    """Of the shop before any fault: its facts, and what the recommender is shown."""

    facts: Facts
    shown: str

    @classmethod
    def of(cls, shop: Shop) -> "Truth":
        """Once nothing is at work that was begun before."""
        until(lambda: not stages_at_work(shop), "stages to end")
        found = read_facts(shop)
        assert found.flags, "a shop without flags proves nothing"
        return cls(found, shown_now(recommender(shop)))


def suffer(shop: Shop, truth: Truth, fault: Fault, round_: int) -> Outcome:
    """Injects the fault and says what is left of the invariants."""
    began, wrong = time.monotonic(), []
    shop.allowed = {truth.shown}
    with Recommender(recommender(shop)) as reading:
        try:
            fault.inject(shop, round_)
        except Exception as error:  # noqa: BLE001 (whatever went wrong, the other faults are still to come)
            wrong.append(f"{type(error).__name__}: {error}")
        finally:
            shop.restore()
    odd = [shown for shown in reading.seen if shown not in shop.allowed]
    wrong += [] if reading.reads else ["nobody read the flags meanwhile"]
    verdict = check_invariants(shop, truth.facts, len(odd))
    told = Verdict(verdict.lost, verdict.doubled, verdict.half_published, (*wrong, *verdict.wrong))
    return Outcome(fault.name, round_, told, round(time.monotonic() - began, 1))


def recommender(shop: Shop) -> str:
    return shop.stack.postgres.dsn("trailguard_recommender", "trailguard")
