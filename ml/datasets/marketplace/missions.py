"""What a session is for, and how each purpose shapes what is done and which items are looked at."""

from enum import IntEnum

import numpy as np


class Action(IntEnum):
    VIEW = 0
    CLICK = 1
    CART = 2
    FAVOURITE = 3
    SEARCH = 4
    ORDER = 5
    REVIEW = 6
    REFUND = 7


class Mission(IntEnum):
    BROWSE = 0
    COMPARE = 1
    GALLERY = 2
    DEALS = 3
    REORDER = 4
    WATCH = 5


START = 6  # the row of a session's first action in NEXT
MIX = np.array([1.2, 0.5, 0.5, 0.45, 0.6, 0.4])  # Dirichlet weights of a shopper's missions
SHORTEST = np.array([1, 4, 4, 3, 4, 4])  # events
STRETCH = np.array([0.0, 0.2, 0.3, 0.1, 0.0, 0.1])  # on the mean log of the length
STAY = np.array([0.30, 0.55, 0.12, 0.20, 0.30, 0.62])  # probability of staying with the item at hand
FRESH = np.array([0.70, 0.22, 0.92, 0.80, 0.60, 0.35])  # else: of a new item, not one seen before in the session
ADVERT = np.array([0.0, 0.0, 0.0, 0.5, 0.0, 0.1])  # added probability that a click is one on an advertisement

_BROWSE = (
    # view click cart favourite search order
    (0.38, 0.26, 0.12, 0.07, 0.17, 0.00),  # after view
    (0.72, 0.18, 0.02, 0.02, 0.06, 0.00),  # after click
    (0.28, 0.10, 0.06, 0.02, 0.09, 0.45),  # after cart
    (0.45, 0.27, 0.10, 0.02, 0.16, 0.00),  # after favourite
    (0.35, 0.59, 0.00, 0.00, 0.06, 0.00),  # after search
    (0.42, 0.28, 0.00, 0.00, 0.30, 0.00),  # after order
    (0.32, 0.28, 0.00, 0.00, 0.40, 0.00),  # first
)


def _leaning(**factors: float) -> np.ndarray:
    """Cumulative transition probabilities (previous or first, next): browsing with some actions made likelier."""
    weights = np.array(_BROWSE) * [factors.get(action.name.lower(), 1.0) for action in list(Action)[:START]]
    return np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)


NEXT = np.stack(
    [
        _leaning(),
        _leaning(cart=1.2, search=0.4),
        _leaning(click=1.2, cart=0.4, search=1.2),
        _leaning(click=2.2, cart=0.6),
        _leaning(cart=0.8),
        _leaning(search=0.3, favourite=1.5),
    ]
)
