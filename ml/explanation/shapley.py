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
    context = np.ones(_inputs(steps), bool)
    context[np.concatenate(groups)] = False
    empty = last_logits(_blend(steps, typical, context))
    for order in orders:
        shown = context.copy()
        before = empty
        for group in order:
            shown[groups[group]] = True
            after = last_logits(_blend(steps, typical, shown))
            total[:, group] += after - before
            before = after
    return total / len(orders)


def _orders(count: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    for _ in range(PAIRS):
        order = random.permutation(count)
        yield order
        yield order[::-1]


def _inputs(steps: Steps) -> int:
    return steps.numeric.shape[1] + steps.categorical.shape[1]


def _blend(steps: Steps, typical: Typical, shown: np.ndarray) -> Steps:
    """The user's own values where an input is shown, the typical ones elsewhere."""
    split = steps.numeric.shape[1]
    return Steps(
        np.where(shown[:split], steps.numeric, typical.numeric).astype(np.float32),
        np.where(shown[split:], steps.categorical, typical.categorical).astype(np.int32),
        steps.offsets,
    )
