"""A benchmark's row: our figure beside a peer's, from the same call, repeated in turns."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """ours, peer: medians, in `unit`; peer is None where there is nothing to compare with. ratio: ours / peer, or ours
    alone. low, high: the smallest and the largest ratio of one repetition."""

    name: str
    ours: float
    peer: float | None
    unit: str
    ratio: float
    low: float
    high: float


def compare(name: str, ours: Callable[[], float], peer: Callable[[], float], *, unit: str, repetitions: int = 5) -> Row:
    """Calls the two in turns; each call returns its figure in `unit`."""
    pairs = [(ours(), peer()) for _ in range(repetitions)]
    ratios = [mine / theirs for mine, theirs in pairs]
    medians = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Row(name, *medians, unit, statistics.median(ratios), min(ratios), max(ratios))


def alone(name: str, figures: list[float], *, unit: str) -> Row:
    """A figure without a peer."""
    middle = statistics.median(figures)
    return Row(name, middle, None, unit, middle, min(figures), max(figures))


def rate(work: Callable[[], object], amount: float) -> float:
    """`amount` for each second that the work takes."""
    return amount / seconds(work)


def seconds(work: Callable[[], object]) -> float:
    """What the work takes by the wall clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
