"""What a family sees of the world, and the two things it may do to a session: reorder it, re-pace it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ml.datasets.marketplace.browsing import Slots, Steps
from ml.datasets.marketplace.campaigns import TARGETS, Campaigns
from ml.datasets.marketplace.catalogue import Catalogue
from ml.datasets.marketplace.draws import rank_in, starts_of
from ml.datasets.marketplace.missions import Action, Mission
from ml.datasets.marketplace.sessions import Sessions
from ml.datasets.marketplace.shoppers import Shoppers
from ml.datasets.marketplace.world import World


@dataclass
class Scene:
    """Everything about one chunk of shoppers; `item` (slots,), `gap` (events,) in seconds and `misdeed` (events,) are
    filled in as it is played."""

    world: World
    catalogue: Catalogue
    campaigns: Campaigns
    shoppers: Shoppers
    sessions: Sessions
    rng: np.random.Generator
    steps: Steps
    slots: Slots
    item: np.ndarray
    gap: np.ndarray
    misdeed: np.ndarray

    def targets(self, family: int, slots: np.ndarray, among: int = TARGETS) -> np.ndarray:
        """A targeted item for each of these slots; `among`: how many targets an account has at a time."""
        session = self.slots.session[slots]
        number = self.shoppers.number[self.sessions.shopper[session]]
        return self.campaigns.target(self.rng, family, number, self.sessions.day[session], among)

    def reorder(self, rows: np.ndarray, key: np.ndarray) -> None:
        """Puts each session's steps, but for the first, in the order of `key` (rows,), ties as they were.

        An attack opens as any session does, and the pace stays in its place.
        """
        order = rows[self._order_after_first(rows, key)]
        for column in (self.steps.action, self.steps.slot, self.steps.advert, self.steps.wanted, self.misdeed):
            column[rows] = column[order]

    def repace(self, rows: np.ndarray, key: np.ndarray) -> None:
        """Puts each session's gaps, but for the first, in the order of `key` (rows,)."""
        self.gap[rows] = self.gap[rows[self._order_after_first(rows, key)]]

    def _order_after_first(self, rows: np.ndarray, key: np.ndarray) -> np.ndarray:
        session = self.steps.session[rows]
        return np.lexsort((np.where(rank_in(session) == 0, -np.inf, key), session))

    def replay_pace(self, rows: np.ndarray) -> None:
        """The pace of a recorded session, replayed without knowing what was done in it."""
        self.repace(rows, self.rng.random(len(rows)))


class Named(StrEnum):
    """What the labels of a family name."""

    ACCOUNT = "account"  # one label for the account
    EACH_DEED = "each_deed"  # one for each misdeed, found out one by one
    ALL_DEEDS = "all_deeds"  # one for each misdeed, all found out at once


@dataclass(frozen=True)
class Family:
    """How one family abuses the shop and is found out.

    kind, source: of its labels. delay: mean and standard deviation, in days, from misdeed to label.
    mission: the honest purpose behind which its attacks hide.
    share: of an account's sessions that are attacks, careless and careful; None for a single streak in mid-life.
    habit: the action that a careless member does far too often.
    named: by its labels.
    praise_kind: of the labels of the reviews that follow its orders; None where none follow.
    least_sessions: fewest sessions of an account.
    prepare: settles when, whence and on what the sessions marked as attacks happen; gets the scene's earlier half.
    bend: rewrites the attacks' rows.
    """

    name: str
    kind: str
    source: str
    delay: tuple[float, float]
    mission: Mission
    share: tuple[float, float] | None
    habit: Action
    bend: Callable[[Scene, int, np.ndarray], None]
    prepare: "Callable[[Plan, int, np.ndarray], None] | None" = None
    named: Named = Named.ACCOUNT
    praise_kind: str | None = None
    least_sessions: int = 1


@dataclass
class Plan:
    """What is settled before any step is taken."""

    world: World
    catalogue: Catalogue
    campaigns: Campaigns
    shoppers: Shoppers
    sessions: Sessions
    rng: np.random.Generator


def spread(groups: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """float64: where each row stands, from 0 to 1, among the rows of its group that are alike in being chosen or not.

    Sorting a group by it spreads the chosen rows evenly among the others.
    """
    key = groups * 2 + chosen
    order = np.argsort(key, kind="stable")
    first = starts_of(key[order])
    size = np.diff(np.r_[first, len(key)])
    place = np.empty(len(key))
    place[order] = (np.arange(len(key)) - np.repeat(first, size) + 0.5) / np.repeat(size, size)
    return place


def occurrence(slot: np.ndarray) -> np.ndarray:
    """int64: how often each row's slot came before among the rows given."""
    order = np.argsort(slot, kind="stable")
    first = starts_of(slot[order])
    count = np.empty(len(slot), np.int64)
    count[order] = np.arange(len(slot)) - np.repeat(first, np.diff(np.r_[first, len(slot)]))
    return count
