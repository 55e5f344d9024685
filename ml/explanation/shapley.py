"""How much each side of a trail moved its logit: Shapley values over groups of inputs, measured on the model itself.

The players are the groups of inputs that share a reason code; a coalition's value is the logit at the user's last
event when the groups outside it are set, at every step, to what is typical of a good user. Contributions are in
log-odds and add up to the logit of the user minus that of the typical trail of the same length (efficiency). They are
estimated over random orders of the groups and the same orders backwards: S. Castro, D. Gómez, J. Tejada, "Polynomial
calculation of the Shapley value based on sampling", 2009; antithetic pairs: R. Mitchell et al., "Sampling permutations
for Shapley value estimation", 2022.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ml.sequences.features import Steps

PAIRS = 4  # orders drawn, each used forwards and backwards

LastLogits = Callable[[Steps], np.ndarray]


@dataclass(frozen=True)
class Typical:
    """What a typical good user's inputs are: numeric float32 (F,), standardised; categorical int32 (C,)."""

    numeric: np.ndarray
    categorical: np.ndarray


def contributions(
    last_logits: LastLogits, steps: Steps, groups: list[np.ndarray], typical: Typical, *, seed: int = 0
) -> np.ndarray:
    """float64 (users, groups): the log-odds that each group of inputs adds.

    Args:
        last_logits: the model, Steps -> float32 (users,).
        groups: for each group the indices of its inputs, numeric ones first, categorical ones counted on from F. An
            input of no group always keeps the user's own value.
    """
    total = np.zeros((len(steps.lengths), len(groups)))
    orders = list(_orders(len(groups), seed))
    hidden = Steps(steps.numeric.copy(), steps.categorical.copy(), steps.offsets)
    _put(hidden, np.concatenate(groups), typical.numeric[None], typical.categorical[None])
    nothing, everything = last_logits(hidden), last_logits(steps)
    for order in orders:
        shown, before = Steps(hidden.numeric.copy(), hidden.categorical.copy(), hidden.offsets), nothing
        for group in order:
            _put(shown, groups[group], steps.numeric, steps.categorical)
            after = everything if group == order[-1] else last_logits(shown)
            total[:, group] += after - before
            before = after
    return total / len(orders)


def _orders(count: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for _ in range(PAIRS):
        order = random.permutation(count)
        yield order
        yield order[::-1]


def _put(steps: Steps, inputs: np.ndarray, numeric: np.ndarray, categorical: np.ndarray) -> None:
    """Replaces these inputs at every step by those of (events or 1, F) and (events or 1, C)."""
    split = steps.numeric.shape[1]
    columns, codes = inputs[inputs < split], inputs[inputs >= split] - split
    steps.numeric[:, columns] = numeric[:, columns]
    steps.categorical[:, codes] = categorical[:, codes]
