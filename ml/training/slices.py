"""Users split by the time of their first event, oldest first, so that nothing is learned from the future."""

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
