"""Random draws that every room of the simulator makes, many at a time, from a stream named after its purpose."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Each purpose has its own stream of random numbers, so that one room's draws never move another's."""

    CATALOGUE = 1
    CAST = 2
    CAMPAIGNS = 3
    CHUNK = 4
    NAMES = 5
    DIRT = 6


def stream(seed: int, purpose: Stream, part: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, part])


def pick(rng: np.random.Generator, cumulative: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """One category for each entry of `rows` from that row of cumulative probabilities (rows, categories)."""
    return (rng.random(len(rows))[:, None] >= cumulative[rows, :-1]).sum(axis=1)


def flip(rng: np.random.Generator, probability: np.ndarray | float, size: int) -> np.ndarray:
    """bool (size,): True with the probability given."""
    return rng.random(size) < probability


def starts_of(groups: np.ndarray) -> np.ndarray:
    """The first index of each run of equal values."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else np.zeros(0, np.int64)


def rank_in(groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of equal values."""
    first = starts_of(groups)
    return np.arange(len(groups)) - np.repeat(first, np.diff(np.r_[first, len(groups)]))
