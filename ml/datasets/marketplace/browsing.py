"""What is done in a session, step by step, and on which of its items."""

from dataclasses import dataclass

import numpy as np

from ml.datasets.marketplace.draws import flip, rank_in
from ml.datasets.marketplace.missions import ADVERT, FRESH, NEXT, START, STAY, Action, Mission
from ml.datasets.marketplace.sessions import Sessions
from ml.datasets.marketplace.shoppers import Shoppers

LOOKS_AT_CLICKED = 0.96  # probability that a view after a click, or any step after an advertisement, is of it
STAYS_CLICKING = 0.02  # probability that a click, which leads on, is on the item at hand
NO_SLOT = -1
_HELD = (Action.CART, Action.FAVOURITE, Action.ORDER)  # done to the item at hand


@dataclass
class Steps:
    """Events in the order they happen, one session after another; one entry each.

    session: index into the sessions. slot: index into the items that were looked at, NO_SLOT for a search; a slot
    belongs to one session. advert: a click on an advertisement. wanted: part of a purchase made without browsing.
    """

    session: np.ndarray
    action: np.ndarray
    slot: np.ndarray
    advert: np.ndarray
    wanted: np.ndarray

    def __len__(self) -> int:
        return len(self.session)


@dataclass
class Slots:
    """The distinct things looked at in a session; one entry each. rank: 0 for the session's first."""

    session: np.ndarray
    rank: np.ndarray
    advert: np.ndarray
    wanted: np.ndarray


def browse(shoppers: Shoppers, sessions: Sessions, rng: np.random.Generator) -> tuple[Steps, Slots]:
    """Every session's steps, and the slots they refer to."""
    session = np.repeat(np.arange(len(sessions)), sessions.length)
    action = _actions(sessions, rng)
    wanted = _buy_at_once(sessions, action, rng)
    shopper, mission = sessions.shopper[session], sessions.mission[session]
    given_up = (action == Action.ORDER) & ~wanted & ~flip(rng, shoppers.purse[shopper], len(action))
    action[given_up] = Action.VIEW
    advert = (action == Action.CLICK) & flip(
        rng, np.clip(shoppers.adverts[shopper] + ADVERT[mission], 0, 0.95), len(action)
    )
    steps = Steps(session, action, np.full(len(action), NO_SLOT), advert, wanted)
    return steps, _look_at(steps, mission, rng)


def _actions(sessions: Sessions, rng: np.random.Generator) -> np.ndarray:
    """int8 (events,): a Markov chain per session, all sessions a step at a time."""
    first = np.cumsum(sessions.length) - sessions.length
    action = np.empty(sessions.length.sum(), np.int8)
    previous = np.full(len(sessions), START)
    alive = np.arange(len(sessions))
    for step in range(sessions.length.max(initial=0)):
        alive = alive[sessions.length[alive] > step]
        chances = NEXT[sessions.mission[alive], previous[alive]]
        previous[alive] = (rng.random(len(alive))[:, None] >= chances[:, :-1]).sum(axis=1)
        action[first[alive] + step] = previous[alive]
    return action


def _buy_at_once(sessions: Sessions, action: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Puts search, view, order somewhere into each session meant to buy again; True at that view and that order."""
    first = np.cumsum(sessions.length) - sessions.length
    buying = sessions.mission == Mission.REORDER
    at = first[buying] + (rng.random(buying.sum()) * (sessions.length[buying] - 2)).astype(int)
    action[at], action[at + 1], action[at + 2] = Action.SEARCH, Action.VIEW, Action.ORDER
    wanted = np.zeros(len(action), bool)
    wanted[at + 1] = wanted[at + 2] = True
    return wanted


def _look_at(steps: Steps, mission: np.ndarray, rng: np.random.Generator) -> Slots:
    """Fills in steps.slot: stay with the item at hand, go back to one seen in the session, or on to a new one."""
    rows = np.flatnonzero(steps.action != Action.SEARCH)
    session, mission = steps.session[rows], mission[rows]
    stay = _stays(steps, rows, mission, rng)
    moves = np.cumsum(~stay)
    first = rank_in(session) == 0
    second = moves - np.maximum.accumulate(np.where(first, moves, 0)) == 1
    new = flip(rng, FRESH[mission], len(rows)) | (second & (mission == Mission.COMPARE))
    fresh = first | (~stay & new) | steps.advert[rows] | (steps.wanted[rows] & (steps.action[rows] == Action.VIEW))
    newest = np.cumsum(fresh) - 1
    oldest = np.maximum.accumulate(np.where(first, newest, 0))
    back = oldest + (rng.random(len(rows)) * (newest - oldest + 1)).astype(int)
    chosen = np.where(fresh, newest, back)
    last_move = np.maximum.accumulate(np.where(fresh | ~stay, np.arange(len(rows)), 0))
    steps.slot[rows] = chosen[last_move]
    made = rows[fresh]
    return Slots(session[fresh], (newest - oldest)[fresh], steps.advert[made], steps.wanted[made])


def _stays(steps: Steps, rows: np.ndarray, mission: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """bool (rows,): whether the step is about the item at hand. The first of a session never is."""
    action, before = steps.action[rows], np.r_[Action.SEARCH, steps.action[:-1]][rows]
    led_on = ((before == Action.CLICK) & (action == Action.VIEW)) | np.r_[False, steps.advert[:-1]][rows]
    chance = np.where(led_on, LOOKS_AT_CLICKED, STAY[mission])
    chance = np.where((action == Action.CLICK) & ~led_on, STAYS_CLICKING, chance)
    chance = np.where(np.isin(action, _HELD), 1.0, chance)
    return flip(rng, chance, len(rows)) & (rank_in(steps.session[rows]) > 0)
