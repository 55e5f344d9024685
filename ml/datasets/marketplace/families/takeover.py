"""Account takeover: in mid-life an honest account wakes on another device, wants other things, and buys them at once.

Honest shoppers get new phones, find new interests and buy what they know at once; not all of it in the same session.
"""

import numpy as np

from ml.datasets.marketplace.catalogue import CATEGORIES
from ml.datasets.marketplace.draws import flip, rank_in
from ml.datasets.marketplace.families.scene import Family, Named, Plan, Scene
from ml.datasets.marketplace.missions import Action, Mission
from ml.datasets.marketplace.shoppers import DEVICES

HASTE = (0.35, 0.85)  # factor on the thief's gaps, careless and careful
STRANGE_DEVICE = (1.0, 0.65)  # probability of not knowing the owner's devices


def _break_in(plan: Plan, family: int, attacks: np.ndarray) -> None:
    """The thief's sessions follow one another within hours, on a device and in a category strange to the owner."""
    sessions, rng, each = plan.sessions, plan.rng, len(plan.shoppers)
    shopper = sessions.shopper[attacks]
    nth = rank_in(shopper)
    begin = sessions.start[attacks - nth]
    sessions.start[attacks] = np.minimum(begin + nth * rng.uniform(0.04, 0.4, each)[shopper], plan.world.days - 0.01)
    usual = plan.shoppers.device[shopper, 0]
    other = (usual + rng.integers(1, len(DEVICES), each)[shopper]) % len(DEVICES)
    strange = flip(rng, plan.world.careless(*STRANGE_DEVICE), each)[shopper]
    sessions.device[attacks] = np.where(strange, other, usual)
    sessions.category[attacks] = rng.integers(0, len(CATEGORIES), each)[shopper]


def _plunder(scene: Scene, family: int, rows: np.ndarray) -> None:
    bought = np.flatnonzero(np.isin(scene.slots.session, scene.steps.session[rows]))
    session = scene.slots.session[bought]
    scene.item[bought] = scene.catalogue.draw(scene.rng, scene.sessions.day[session], scene.sessions.category[session])
    scene.gap[rows] *= scene.world.careless(*HASTE)
    scene.misdeed[rows] = True


TAKEOVER = Family(
    name="takeover",
    kind="account_takeover",
    source="customer_complaint",
    delay=(4.0, 2.5),
    mission=Mission.REORDER,
    share=None,
    habit=Action.CART,
    bend=_plunder,
    prepare=_break_in,
    named=Named.ALL_DEEDS,
    least_sessions=4,
)
