"""Users split by the time of their first event, oldest first, so that nothing is learned from the future.

A model that is updated keeps its users in their slices. Those who have come since are dealt out by a hash: by time they
would all be held out, and the update would learn nothing of them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Shares:
    """The share of matured users in each slice, in the order of time."""

    train: float = 0.70
    validation: float = 0.10
    calibration: float = 0.06
    threshold: float = 0.06
    test: float = 0.08


DEFAULT_SHARES = Shares()
SLICES = tuple(field.name for field in fields(Shares))
LEARNED = ("train", "validation")  # the slices that a training looks at
_RANGE = 2**48  # of the hash; a float holds it exactly


def assign_slices(first_event_time: np.ndarray, user_ids: np.ndarray, shares: Shares) -> np.ndarray:
    """The slice's name of each user.

    first_event_time: int64 (users,). user_ids: str (users,), the order among users first seen at the same moment.
    Returns: str (users,).
    """
    order = np.lexsort((user_ids, first_event_time))
    bounds = np.cumsum(list(asdict(shares).values()))
    ranks = (np.arange(len(order)) + 0.5) / len(order) * bounds[-1]
    slices = np.empty(len(order), object)
    slices[order] = np.array(SLICES, object)[np.searchsorted(bounds, ranks)]
    return slices


def deal_slices(user_ids: Sequence[str], shares: Shares) -> np.ndarray:
    """The slice's name of each user by a hash of the user alone: the same at any time, whoever else there is.

    Returns: str (users,).
    """
    bounds = np.cumsum(list(asdict(shares).values()))
    draws = np.array([_draw(user) for user in user_ids], float) * bounds[-1]
    return np.array(SLICES, object)[np.searchsorted(bounds, draws, side="right")]


def _draw(user: str) -> float:
    """Uniform in [0, 1)."""
    digest = hashlib.blake2b(user.encode(), digest_size=6, person=b"slices").digest()
    return int.from_bytes(digest) / _RANGE
