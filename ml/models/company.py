"""The company that an event keeps: what a first look thought of its user's earlier events, and of what others did on
the same item before it.

A group that works together is seen in what its members share, not in any one trail.
"""

import numpy as np
import polars as pl

FADING = 7 * 86400.0  # seconds in which an opinion loses all but 1/e of its weight
NAMES = ("own_events", "own_mean", "own_sum", "item_events", "item_mean", "item_sum", "item_logit")


def company_columns(users: np.ndarray, items: np.ndarray, times: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """float32 (events, len(NAMES)): how many earlier events there are, faded, and the mean and sum of their opinions;
    means are nan where there are none. Others' events on an item are counted without one's own.

    users, items: int64 (events,) codes, items -1 where absent. times: float64 (events,), seconds. logits: float64
    (events,), the first look's. An event counts for those that come later in time, or later in the arrays.
    """
    probability = 1 / (1 + np.exp(-logits))
    opinions = np.stack([np.ones_like(logits), probability, logits], axis=1)
    own = _earlier(users, times, opinions)
    pairs = np.unique(np.stack([users, items], axis=1), axis=0, return_inverse=True)[1].ravel()
    others = _earlier(items, times, opinions) - _earlier(pairs, times, opinions)
    others[items < 0] = 0.0
    columns = [own[:, 0], _mean(own, 1), own[:, 1], others[:, 0], _mean(others, 1), others[:, 1], _mean(others, 2)]
    return np.stack(columns, axis=1).astype(np.float32)


def _mean(totals: np.ndarray, column: int) -> np.ndarray:
    weight = totals[:, 0]
    return np.divide(totals[:, column], weight, out=np.full(len(weight), np.nan), where=weight > 1e-6)


def _earlier(groups: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """float64, as `values` (events, n): the sums over the group's earlier events, faded by exp(-age / FADING)."""
    order = np.lexsort((times, groups))
    group, time = groups[order], times[order]
    begins = np.flatnonzero(np.diff(group, prepend=group[:1] - 1))
    age = (time - np.repeat(time[begins], np.diff(begins, append=len(group)))) / FADING
    grown = pl.DataFrame(values[order] * np.exp(age)[:, None]).with_columns(group=pl.Series(group))
    summed = grown.select(pl.exclude("group").cum_sum().shift(1, fill_value=0.0).over("group"))
    found = np.empty_like(values)
    found[order] = summed.to_numpy() * np.exp(-age)[:, None]
    return found
