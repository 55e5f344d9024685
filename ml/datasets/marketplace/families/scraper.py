"""Scraper bots copy the catalogue: a listing sorted by price, page after page, never turning back.

An honest shopper clicks a thing to look at it; a walk opens the address first, and clicks to go on.
"""

import numpy as np

from ml.datasets.marketplace.browsing import NO_SLOT
from ml.datasets.marketplace.families.scene import Family, Scene, spread
from ml.datasets.marketplace.missions import Action, Mission


def _walk(scene: Scene, family: int, rows: np.ndarray) -> None:
    session, slot = scene.steps.session[rows], scene.steps.slot[rows]
    searches = slot == NO_SLOT
    price = np.where(searches, -1.0, scene.catalogue.price[scene.item[slot]])
    by_price = np.lexsort((scene.steps.action[rows], slot, price, session))  # looks first, then clicks on
    place = np.empty(len(rows))
    place[by_price] = spread(session[by_price], searches[by_price])
    scene.reorder(rows, place)
    scene.replay_pace(rows)


SCRAPER = Family(
    name="scraper",
    kind="bot",
    source="bot_detection",
    delay=(2.0, 1.5),
    mission=Mission.GALLERY,
    share=(0.97, 0.65),
    habit=Action.VIEW,
    bend=_walk,
)
