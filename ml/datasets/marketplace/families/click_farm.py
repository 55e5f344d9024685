"""Click farms burn a competitor's advertising budget: clicks on its advertisements, the same ones again and again,
evenly spread over some browsing that has nothing to do with them, and never a look at what was clicked.

An honest shopper who clicks an advertisement goes on with what it showed.
"""

import numpy as np

from ml.datasets.marketplace.browsing import NO_SLOT
from ml.datasets.marketplace.families.scene import Family, Scene, spread
from ml.datasets.marketplace.missions import Action, Mission


def _click(scene: Scene, family: int, rows: np.ndarray) -> None:
    steps = scene.steps
    paid = np.flatnonzero(scene.slots.advert & np.isin(scene.slots.session, steps.session[rows]))
    scene.item[paid] = scene.targets(family, paid, among=2)
    _look_away(scene, rows)
    scene.reorder(rows, spread(steps.session[rows], steps.advert[rows]))
    scene.replay_pace(rows)


def _look_away(scene: Scene, rows: np.ndarray) -> None:
    """Steps on an advertised item, other than the click itself, are taken on an item of the session's own instead."""
    steps, slots = scene.steps, scene.slots
    slot, session = steps.slot[rows], steps.session[rows]
    own = (slot >= 0) & ~slots.advert[slot]
    substitute = np.full(len(scene.sessions), NO_SLOT)
    substitute[session[own]] = slot[own]
    moved = (slot >= 0) & ~own & ~steps.advert[rows] & (substitute[session] != NO_SLOT)
    steps.slot[rows[moved]] = substitute[session[moved]]


CLICK_FARM = Family(
    name="click_farm",
    kind="malicious_click",
    source="advertising_audit",
    delay=(5.0, 2.5),
    mission=Mission.DEALS,
    share=(0.95, 0.5),
    habit=Action.CLICK,
    bend=_click,
)
