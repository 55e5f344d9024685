"""Which items a session's slots are, and how long a shopper takes over each step."""

import numpy as np

from ml.datasets.marketplace.browsing import Slots, Steps
from ml.datasets.marketplace.catalogue import Catalogue
from ml.datasets.marketplace.draws import flip, pick, rank_in
from ml.datasets.marketplace.missions import Action, Mission
from ml.datasets.marketplace.sessions import Sessions
from ml.datasets.marketplace.shoppers import Shoppers

ELSEWHERE = 0.1  # probability that an item is not of the session's category
AGAIN = 0.95  # probability that what is bought at once is an item known well
DEAREST = np.cumsum([0.7, 0.2, 0.1])[None, :]  # among the items known well
FIRST_LOVE = 0.85  # probability that a shopper first comes for the dearest of them
DISTRACTED = 0.012
# seconds, median, before a view, click, cart, favourite, search, order
PACE = np.array([20.0, 11.0, 40.0, 7.0, 28.0, 100.0])
OPENING = 2.2  # before the view that a click opens
MISSION_PACE = np.array([1.0, 1.1, 0.85, 0.85, 1.0, 0.75])


def choose_items(
    catalogue: Catalogue, shoppers: Shoppers, sessions: Sessions, slots: Slots, rng: np.random.Generator
) -> np.ndarray:
    """int64 (slots,): the item in each slot."""
    n, day = len(slots.session), sessions.day[slots.session]
    shopper, mission = sessions.shopper[slots.session], sessions.mission[slots.session]
    category = np.where(
        flip(rng, np.where(slots.advert, 0.5, ELSEWHERE), n),
        pick(rng, catalogue.taste, np.zeros(n, int)),
        sessions.category[slots.session],
    )
    begins = slots.rank == 0
    shown = slots.advert | (begins & (mission == Mission.WATCH))
    item = np.where(shown, catalogue.draw(rng, day, category, advert=True), catalogue.draw(rng, day, category))
    came_for_it = begins & (rank_in(sessions.shopper)[slots.session] == 0)
    loyalty = np.where(came_for_it, FIRST_LOVE, shoppers.loyalty[shopper])
    known = (slots.wanted & flip(rng, AGAIN, n)) | (begins & ~shown & flip(rng, loyalty, n))
    dearest = np.where(came_for_it, 0, pick(rng, DEAREST, np.zeros(n, int)))
    return np.where(known, shoppers.loyal[shopper, dearest], item)


def take_time(shoppers: Shoppers, sessions: Sessions, steps: Steps, rng: np.random.Generator) -> np.ndarray:
    """float64 (events,): seconds since the step before, 0 for a session's first.

    A click opens at once what it leads to, another thing takes time to find, an order takes thought: the pace hangs
    together with what is done, which is what those who replay recorded paces do not know.
    """
    shopper, mission = sessions.shopper[steps.session], sessions.mission[steps.session]
    opened = np.r_[False, (steps.action[:-1] == Action.CLICK) & (steps.slot[1:] == steps.slot[:-1])]
    median = np.where(opened & (steps.action == Action.VIEW), OPENING, PACE[steps.action]) * MISSION_PACE[mission]
    noise = rng.normal(0, 0.33, len(steps)) + np.where(flip(rng, DISTRACTED, len(steps)), 2.7, 0.0)
    return np.where(rank_in(steps.session) == 0, 0.0, median * shoppers.pace[shopper] * np.exp(noise))
