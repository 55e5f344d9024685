"""What follows an order, days later: a review, sometimes a refund. And the chunk's events, all together, in time."""

from dataclasses import dataclass, fields

import numpy as np

from ml.datasets.marketplace.browsing import NO_SLOT
from ml.datasets.marketplace.draws import flip, rank_in
from ml.datasets.marketplace.families import BY_NAME, Scene
from ml.datasets.marketplace.missions import Action

SECONDS = 86_400.0
REFUNDS = 0.06
PRAISE = (1.0, 0.45)  # probability that a fake order is praised, careless and careful
NO_ITEM = -1


@dataclass
class Trail:
    """Events of some shoppers, one entry each.

    shopper: index into the shoppers. time: days since the period began. session: number within the chunk.
    item: NO_ITEM for a search. price, amount, stars: NaN where there is none. misdeed: what a label may name.
    """

    shopper: np.ndarray
    time: np.ndarray
    session: np.ndarray
    action: np.ndarray
    item: np.ndarray
    device: np.ndarray
    app: np.ndarray
    advert: np.ndarray
    price: np.ndarray
    amount: np.ndarray
    stars: np.ndarray
    misdeed: np.ndarray

    def __len__(self) -> int:
        return len(self.shopper)

    def take(self, rows: np.ndarray) -> "Trail":
        return Trail(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def concat(parts: list["Trail"]) -> "Trail":
        return Trail(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Trail)))


def play_out(scene: Scene) -> Trail:
    """The scene's steps at their times and prices, with what follows them, within the period; sorted by time."""
    trail = _priced(scene, _timed(scene))
    orders = trail.take(np.flatnonzero(trail.action == Action.ORDER))
    reviews = _come_back(scene, orders.take(_reviewed(scene, orders)), Action.REVIEW)
    refunds = _come_back(scene, orders.take(flip(scene.rng, REFUNDS, len(orders)) & ~orders.misdeed), Action.REFUND)
    reviews.session += trail.session.max(initial=0) + 1
    refunds.session += max(reviews.session.max(initial=0), trail.session.max(initial=0)) + 1
    whole = Trail.concat([trail, reviews, refunds])
    whole = whole.take(whole.time < scene.world.days)
    return whole.take(np.argsort(whole.time, kind="stable"))


def _timed(scene: Scene) -> Trail:
    steps, sessions = scene.steps, scene.sessions
    elapsed = np.cumsum(scene.gap)
    begin = np.maximum.accumulate(np.where(rank_in(steps.session) == 0, elapsed, 0.0))
    nothing = np.full(len(steps), np.nan)
    return Trail(
        shopper=sessions.shopper[steps.session],
        time=sessions.start[steps.session] + (elapsed - begin) / SECONDS,
        session=steps.session,
        action=steps.action,
        item=np.where(steps.slot == NO_SLOT, NO_ITEM, scene.item[steps.slot]),
        device=sessions.device[steps.session],
        app=sessions.app[steps.session],
        advert=steps.advert,
        price=nothing,
        amount=nothing,
        stars=nothing,
        misdeed=scene.misdeed,
    )


def _priced(scene: Scene, trail: Trail) -> Trail:
    day = np.minimum(trail.time.astype(int), scene.world.days - 1)
    known = np.maximum(trail.item, 0)
    trail.price = np.where(trail.item == NO_ITEM, np.nan, scene.catalogue.price_on(known, day))
    pieces = scene.rng.geometric(0.85, len(trail))
    trail.amount = np.where(trail.action == Action.ORDER, np.round(trail.price * pieces, 2), np.nan)
    return trail


def _reviewed(scene: Scene, orders: Trail) -> np.ndarray:
    """bool (orders,): honest orders as their buyer is wont to; fake ones to praise them, stolen ones never."""
    praises = np.array([BY_NAME[name].praise_kind is not None for name in scene.world.families] + [False])
    praise = np.where(praises[scene.shoppers.family[orders.shopper]], scene.world.careless(*PRAISE), 0.0)
    return flip(scene.rng, np.where(orders.misdeed, praise, scene.shoppers.reviews[orders.shopper]), len(orders))


def _come_back(scene: Scene, orders: Trail, action: Action) -> Trail:
    """A session some days after each order: a look at what was bought, then the deed."""
    rng, n = scene.rng, len(orders)
    hour = np.mod(scene.shoppers.hour[orders.shopper] + rng.normal(0, 2.5, n), 24) / 24
    time = orders.time.astype(int) + 1 + np.floor(rng.gamma(2.0, 2.5, n)) + hour
    nothing = np.full(n, np.nan)
    look = orders.take(np.arange(n))
    look.time, look.session, look.amount, look.misdeed = time, np.arange(n), nothing, np.zeros(n, bool)
    look.action, look.advert = np.full(n, Action.VIEW, np.int8), np.zeros(n, bool)
    deed = look.take(np.arange(n))
    deed.action = np.full(n, action, np.int8)
    deed.time = time + rng.lognormal(3.8, 0.6, n) * scene.shoppers.pace[orders.shopper] / SECONDS
    if action == Action.REFUND:
        deed.amount = orders.amount
    else:
        deed.misdeed = orders.misdeed
        praise = np.where(orders.misdeed, 4.7, scene.shoppers.generosity[orders.shopper])
        deed.stars = np.clip(np.round(praise + rng.normal(0, 0.8, n)), 1, 5)
    return Trail.concat([look, deed])
