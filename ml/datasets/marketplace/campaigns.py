"""What the members of a family do together: the items they target in each fortnight, and when their waves come."""

from dataclasses import dataclass

import numpy as np

from ml.datasets.marketplace.catalogue import CATEGORIES, Catalogue
from ml.datasets.marketplace.draws import Stream, stream
from ml.datasets.marketplace.world import World

FORTNIGHT = 14
MEMBERS = 20  # accounts in a group
TARGETS = 5  # of a group at a time
WAVE_DAYS = 2  # between a group's waves


@dataclass(frozen=True)
class Campaigns:
    """targets: items (families, groups, fortnights, TARGETS). waves: moments of day in [0, 1) (groups, waves)."""

    targets: np.ndarray
    waves: np.ndarray

    def target(
        self, rng: np.random.Generator, family: int, number: np.ndarray, day: np.ndarray, among: int
    ) -> np.ndarray:
        """One of the items that the shopper's group targets that day; `among`: how many of them are the shopper's."""
        group = number % self.targets.shape[1]
        choice = (number + rng.integers(0, among, len(day))) % TARGETS
        return self.targets[family, group, day // FORTNIGHT, choice]

    def next_wave(self, number: np.ndarray, start: np.ndarray) -> np.ndarray:
        """When the first wave of the shopper's group begins that is not before the day of `start`."""
        group = number % self.waves.shape[0]
        offset = group % WAVE_DAYS
        wave = np.ceil((start.astype(int) - offset) / WAVE_DAYS).astype(int)
        return wave * WAVE_DAYS + offset + self.waves[group, wave]


def plot(world: World, catalogue: Catalogue) -> Campaigns:
    """The world's campaigns. A target is no bestseller: the less wanted of two items that shoppers do look at."""
    rng = stream(world.seed, Stream.CAMPAIGNS)
    families = max(len(world.families), 1)
    groups = max(1, round(world.shoppers * world.anomalous_share / families / MEMBERS))
    shape = (families, groups, world.days // FORTNIGHT + 1, TARGETS)
    day = np.minimum(np.broadcast_to(np.arange(shape[2])[:, None] * FORTNIGHT, shape), world.days - 1).ravel()
    category = rng.integers(0, len(CATEGORIES), day.size)
    one, other = (catalogue.draw(rng, day, category) for _ in range(2))
    pull = np.diff(catalogue.demand, axis=1, prepend=0.0)
    targets = np.where(pull[day, one] < pull[day, other], one, other).reshape(shape)
    waves = np.mod(rng.normal(18.5, 3.5, (groups, world.days // WAVE_DAYS + 2)), 24) / 24
    return Campaigns(targets, waves)
