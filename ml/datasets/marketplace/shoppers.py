"""Who comes: sign-up, habits, tastes. An attacker's account is drawn like everyone else's."""

from dataclasses import dataclass

import numpy as np

from ml.datasets.marketplace.catalogue import Catalogue
from ml.datasets.marketplace.draws import Stream, flip, pick, stream
from ml.datasets.marketplace.missions import MIX, Mission
from ml.datasets.marketplace.world import World

DEVICES = ("android", "ios", "windows", "mac", "tablet")
DEVICE_SHARES = np.cumsum([0.36, 0.24, 0.24, 0.09, 0.07])[None, :]
BASE_SHARE = 0.25  # signed up before the period
HONEST = -1
INTERESTS = 3  # at a time
PHASES = 4  # of each interest, one after the other
LOYAL = 3
RUSH = 3.0  # days within which the accounts of a family that arrives sign up


@dataclass(frozen=True)
class Shoppers:
    """Some of the world's shoppers, one entry each; times in days since the period began.

    family: int64, HONEST or an index into the world's families.
    joined, leaves: first and last moment at which they may come; joined is 0 for those who were there before.
    """

    number: np.ndarray
    family: np.ndarray
    joined: np.ndarray
    newcomer: np.ndarray
    leaves: np.ndarray
    sessions_per_day: np.ndarray
    length: np.ndarray  # mean log of events in a session
    hour: np.ndarray
    weekend: np.ndarray  # probability of putting a weekday's session off to the weekend
    pace: np.ndarray  # factor on every gap
    purse: np.ndarray  # probability of going through with a purchase
    adverts: np.ndarray  # probability that a click is one on an advertisement, outside a hunt for deals
    reviews: np.ndarray  # probability of reviewing an order
    generosity: np.ndarray  # mean of stars
    loyalty: np.ndarray  # probability that a session begins with a loyal item
    missions: np.ndarray  # (shoppers, missions) cumulative
    device: np.ndarray  # (shoppers, 3): usual, second, next
    second_device: np.ndarray  # probability of using it
    new_device_at: np.ndarray  # when the next device replaces the usual one; after the period for most
    app: np.ndarray  # probability of the app on a mobile device
    interests: np.ndarray  # (shoppers, INTERESTS, PHASES) categories
    drift: np.ndarray  # (shoppers, INTERESTS) days that a phase of an interest lasts
    loyal: np.ndarray  # (shoppers, LOYAL) items

    def __len__(self) -> int:
        return len(self.number)


def cast(world: World) -> np.ndarray:
    """int64 (shoppers,): each shopper's family, dealt out at random over the whole world."""
    bad = round(world.shoppers * world.anomalous_share) if world.families else 0
    family = np.full(world.shoppers, HONEST)
    family[:bad] = np.arange(bad) % max(len(world.families), 1)
    return stream(world.seed, Stream.CAST).permutation(family)


def meet(world: World, catalogue: Catalogue, family: np.ndarray, first: int, rng: np.random.Generator) -> Shoppers:
    """The shoppers numbered from `first` on, one for each entry of `family`."""
    n = len(family)
    odd = rng.random((5, n)) < np.array([0.05, 0.07, 0.12, 0.02, 0.05])[:, None]
    power, owl, hunter, reseller, reviewer = odd
    hour = np.where(
        owl, rng.normal(26, 1.5, n), np.where(flip(rng, 0.7, n), rng.normal(19, 2, n), rng.normal(12, 2.5, n))
    )
    newcomer = flip(rng, 1 - BASE_SHARE, n)
    joined = np.where(newcomer, _sign_up(rng, world, hour), 0.0)
    newcomer, joined = _arrive(rng, world, family, newcomer, joined)
    interests = pick(rng, catalogue.taste, np.zeros(n * INTERESTS * PHASES, int)).reshape(n, INTERESTS, PHASES)
    return Shoppers(
        number=np.arange(first, first + n),
        family=family,
        joined=joined,
        newcomer=newcomer,
        leaves=np.minimum(joined + 4 + rng.exponential(45, n), world.days),
        sessions_per_day=np.exp(rng.normal(-2.45, 0.75, n)) * np.where(power, 3.5, 1.0),
        length=rng.normal(1.55, 0.3, n),
        hour=hour,
        weekend=rng.beta(1.2, 3, n),
        pace=np.exp(rng.normal(0, 0.25, n)),
        purse=np.where(reseller, 1.0, np.where(hunter, 0.15, 1.0) * rng.beta(3.5, 1.2, n)),
        adverts=np.where(hunter, rng.beta(4, 5, n), rng.beta(1.2, 9, n)),
        reviews=np.where(reviewer, rng.beta(8, 2, n), rng.beta(1, 4, n)),
        generosity=rng.normal(4.3, 0.6, n),
        loyalty=rng.beta(1.0, 2.5, n),
        missions=_habits(rng, hunter, reseller),
        device=pick(rng, DEVICE_SHARES, np.zeros(n * 3, int)).reshape(n, 3),
        second_device=np.where(flip(rng, 0.6, n), rng.beta(1, 2.2, n), 0.0),
        new_device_at=np.where(flip(rng, 0.3, n), joined + rng.random(n) * (world.days - joined), np.inf),
        app=rng.beta(0.8, 0.8, n),
        interests=interests,
        drift=np.exp(rng.normal(3.4, 0.6, (n, INTERESTS))),
        loyal=_loyal(rng, catalogue, joined, interests),
    )


def _sign_up(rng: np.random.Generator, world: World, hour: np.ndarray) -> np.ndarray:
    """People sign up on any day, at an hour of theirs."""
    return rng.integers(0, world.days, len(hour)) + np.mod(hour + rng.normal(0, 2.5, len(hour)), 24) / 24


def _arrive(
    rng: np.random.Generator, world: World, family: np.ndarray, newcomer: np.ndarray, joined: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """newcomer, joined, with the accounts of families that arrive on a day moved there."""
    for name, day in world.arrivals.items():
        theirs = family == world.families.index(name)
        rushed = np.minimum(day + RUSH * rng.random(len(family)), world.days - 0.01)
        newcomer, joined = newcomer | theirs, np.where(theirs, rushed, joined)
    return newcomer, joined


def _habits(rng: np.random.Generator, hunter: np.ndarray, reseller: np.ndarray) -> np.ndarray:
    """(shoppers, missions) cumulative: a Dirichlet mix, in which hunters follow deals and resellers buy again."""
    weight = np.tile(MIX, (len(hunter), 1))
    weight[hunter, Mission.DEALS] += 2.5
    weight[reseller, Mission.REORDER] += 3.0
    mix = rng.standard_gamma(weight)
    return np.cumsum(mix / mix.sum(axis=1, keepdims=True), axis=1)


def _loyal(rng: np.random.Generator, catalogue: Catalogue, joined: np.ndarray, interests: np.ndarray) -> np.ndarray:
    """Items that a shopper comes back to, each from one of their first interests."""
    day = np.repeat(joined.astype(int), LOYAL)
    return catalogue.draw(rng, day, interests[:, :LOYAL, 0].ravel()).reshape(-1, LOYAL)
