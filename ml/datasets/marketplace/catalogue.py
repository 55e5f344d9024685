"""What the shop sells: categories, prices, and how much of the traffic each item draws on each day."""

from dataclasses import dataclass

import numpy as np

from ml.datasets.marketplace.draws import Stream, flip, stream
from ml.datasets.marketplace.world import World

# fmt: off
CATEGORIES = (
    "electronics", "phones", "computers", "games", "books", "music", "clothing", "shoes", "bags", "jewellery", "beauty",
    "health", "sports", "outdoor", "toys", "baby", "home", "kitchen", "garden", "pets", "groceries", "tools",
    "automotive", "office",
)
# fmt: on
DISCOUNT = 0.8
PROMOTED_PULL = 6.0
NOVELTY_PULL = 4.0


@dataclass(frozen=True)
class Catalogue:
    """Items sorted by category.

    category: int64 (items,).
    price: float64 (items,), list price in euro.
    edges: int64 (categories + 1,), where each category's items begin.
    promoted: bool (days, items).
    demand, adverts: float64 (days, items), cumulative over items, each day from 0 to 1: what shoppers look for, and
        what the day's advertisements show.
    taste: float64 (categories,), cumulative share of interest in each category.
    """

    category: np.ndarray
    price: np.ndarray
    edges: np.ndarray
    promoted: np.ndarray
    demand: np.ndarray
    adverts: np.ndarray
    taste: np.ndarray

    def draw(
        self, rng: np.random.Generator, day: np.ndarray, category: np.ndarray, *, advert: bool = False
    ) -> np.ndarray:
        """One item for each pair of day and category, by the day's demand or by its advertisements."""
        share = self.adverts if advert else self.demand
        days, items = share.shape
        low = np.where(self.edges[category] > 0, share[day, self.edges[category] - 1], 0.0)
        high = share[day, self.edges[category + 1] - 1]
        point = low + rng.random(len(day)) * (high - low)
        flat = (share + np.arange(days)[:, None]).ravel()
        item = np.searchsorted(flat, day + point, side="right") - day * items
        return np.clip(item, self.edges[category], self.edges[category + 1] - 1)

    def price_on(self, item: np.ndarray, day: np.ndarray) -> np.ndarray:
        """What the shop asked for the item that day, in whole cents."""
        return np.round(self.price[item] * np.where(self.promoted[day, item], DISCOUNT, 1.0), 2)


def stock(world: World) -> Catalogue:
    """The world's catalogue: Zipf popularity with launches, ageing and promotions."""
    rng = stream(world.seed, Stream.CATALOGUE)
    shares = rng.dirichlet(np.full(len(CATEGORIES), 6.0))
    category = np.sort(
        np.r_[np.arange(len(CATEGORIES)), rng.choice(len(CATEGORIES), world.items - len(CATEGORIES), p=shares)]
    )
    level = rng.normal(3.3, 0.6, len(CATEGORIES))
    price = np.round(np.exp(rng.normal(level[category], 0.7)), 2) + 0.5
    promoted = _promotions(rng, world)
    pull = _popularity(rng, world)
    return Catalogue(
        category=category,
        price=price,
        edges=np.searchsorted(category, np.arange(len(CATEGORIES) + 1)),
        promoted=promoted,
        demand=_cumulative(pull * np.where(promoted, PROMOTED_PULL, 1.0)),
        adverts=_cumulative(np.sqrt(pull) * np.where(promoted, 12.0, 0.3)),
        taste=np.cumsum(shares)[None, :],
    )


def _popularity(rng: np.random.Generator, world: World) -> np.ndarray:
    """(days, items): Zipf over a shuffled ranking; three items in ten are launched in the period and age."""
    zipf = rng.permutation(np.arange(1, world.items + 1) ** -0.75)
    launch = np.where(flip(rng, 0.3, world.items), rng.uniform(0, world.days, world.items), -60.0)
    age = np.arange(world.days)[:, None] - launch
    return zipf * np.where(age < 0, 1e-6, 1 + NOVELTY_PULL * np.exp(-np.maximum(age, 0) / 10))


def _promotions(rng: np.random.Generator, world: World) -> np.ndarray:
    """bool (days, items): each day one item in 150 begins a promotion of three days."""
    begins = rng.random((world.days, world.items)) < 1 / 150
    promoted = begins.copy()
    promoted[1:] |= begins[:-1]
    promoted[2:] |= begins[:-2]
    return promoted


def _cumulative(weights: np.ndarray) -> np.ndarray:
    total = np.cumsum(weights, axis=1)
    return total / total[:, -1:]
