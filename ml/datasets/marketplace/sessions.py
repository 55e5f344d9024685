"""When shoppers come, for how long, what for, on which device and in which mood."""

from dataclasses import dataclass

import numpy as np

from ml.datasets.marketplace.catalogue import Catalogue
from ml.datasets.marketplace.draws import flip, pick
from ml.datasets.marketplace.missions import SHORTEST, STRETCH
from ml.datasets.marketplace.shoppers import PHASES, Shoppers
from ml.datasets.marketplace.world import World

LONGEST = 80  # events in a session
MOBILE = (0, 1, 4)  # of DEVICES
MOST = 500  # sessions of one shopper in a period
INTEREST_SHARES = np.cumsum([0.5, 0.27, 0.13, 0.10])[None, :]  # the last: something else for once


@dataclass
class Sessions:
    """Sessions of some shoppers, sorted by (shopper, start); one entry each.

    shopper: index into the shoppers. start: days since the period began. length: events.
    attack: whether the session serves the family's purpose; length, mission and tastes are settled after that.
    """

    shopper: np.ndarray
    start: np.ndarray
    attack: np.ndarray
    mission: np.ndarray
    length: np.ndarray
    device: np.ndarray
    app: np.ndarray
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.shopper)

    @property
    def day(self) -> np.ndarray:
        return self.start.astype(int)


def plan(
    world: World, catalogue: Catalogue, shoppers: Shoppers, least: np.ndarray, rng: np.random.Generator
) -> Sessions:
    """All the sessions that honest shoppers would have; `least` (shoppers,) is the fewest that each comes for."""
    visits = 1 + rng.poisson(shoppers.sessions_per_day * (shoppers.leaves - shoppers.joined))
    shopper = np.repeat(np.arange(len(shoppers)), np.clip(visits, least, MOST))
    start = _when(world, shoppers, shopper, rng)
    order = np.lexsort((start, shopper))
    shopper, start = shopper[order], start[order]
    mission = pick(rng, shoppers.missions, shopper)
    device = _device(shoppers, shopper, start, rng)
    return Sessions(
        shopper=shopper,
        start=start,
        attack=np.zeros(len(shopper), bool),
        mission=mission,
        length=lengths(shoppers, shopper, mission, rng),
        device=device,
        app=np.isin(device, MOBILE) & _by_app(world, shoppers, shopper, start, rng),
        category=_category(catalogue, shoppers, shopper, start, rng),
    )


def lengths(shoppers: Shoppers, shopper: np.ndarray, mission: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Heavy-tailed numbers of events."""
    size = np.exp(shoppers.length[shopper] + STRETCH[mission] + rng.normal(0, 0.65, len(shopper)))
    return np.clip(size.astype(int) + SHORTEST[mission] // 2, SHORTEST[mission], LONGEST)


def _when(world: World, shoppers: Shoppers, shopper: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days since the period began: the sign-up itself, then any day they are around, at an hour of theirs."""
    joined = shoppers.joined[shopper]
    moment = joined + rng.random(len(shopper)) * (shoppers.leaves[shopper] - joined)
    day = _put_off(world, moment.astype(int), flip(rng, shoppers.weekend[shopper], len(shopper)), rng)
    start = day + np.mod(shoppers.hour[shopper] + rng.normal(0, 2.5, len(shopper)), 24) / 24
    start = np.where((start > joined) & (start < world.days), start, moment)
    sign_up = np.r_[True, shopper[1:] != shopper[:-1]] & shoppers.newcomer[shopper]
    return np.where(sign_up, joined, start)


def _put_off(world: World, day: np.ndarray, later: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moves a weekday to the same week's Saturday or Sunday where `later` says so."""
    weekday = (day + world.start.weekday()) % 7
    return day + np.where(later & (weekday < 5), 5 - weekday + rng.integers(0, 2, len(day)), 0)


def _device(shoppers: Shoppers, shopper: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    usual, second, replacement = shoppers.device[shopper].T
    main = np.where(start >= shoppers.new_device_at[shopper], replacement, usual)
    return np.where(flip(rng, shoppers.second_device[shopper], len(shopper)), second, main)


def _by_app(
    world: World, shoppers: Shoppers, shopper: np.ndarray, start: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    preferred = flip(rng, shoppers.app[shopper], len(shopper))
    return preferred if world.app_day is None else preferred | (start >= world.app_day)


def _category(
    catalogue: Catalogue, shoppers: Shoppers, shopper: np.ndarray, start: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """One of the interests of that time, or anything at all."""
    interest = pick(rng, INTEREST_SHARES, np.zeros(len(shopper), int))
    known = np.minimum(interest, 2)
    phase = (start / shoppers.drift[shopper, known]).astype(int) % PHASES
    anything = pick(rng, catalogue.taste, np.zeros(len(shopper), int))
    return np.where(interest < 3, shoppers.interests[shopper, known, phase], anything)
