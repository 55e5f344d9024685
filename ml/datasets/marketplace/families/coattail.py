"""Coattail attacks: going round and round between a hot item and a target, so that a recommender links the two.

An honest shopper who compares two things stays with one, goes back to the other, stays again.
"""

import numpy as np

from ml.datasets.marketplace.families.scene import Family, Scene, occurrence
from ml.datasets.marketplace.missions import Action, Mission


def _ride(scene: Scene, family: int, rows: np.ndarray) -> None:
    slots = scene.slots
    attacked = np.isin(slots.session, scene.steps.session[rows])
    lifted = np.flatnonzero(attacked & (slots.rank == 1))
    scene.item[lifted] = scene.targets(family, lifted)
    hot = lifted - 1  # slots of a session stand together in the order of their rank
    day = scene.sessions.day[slots.session[hot]]
    scene.item[hot] = scene.catalogue.draw(scene.rng, day, scene.catalogue.category[scene.item[lifted]])
    scene.reorder(rows, occurrence(_own_key(scene, rows)))
    scene.replay_pace(rows)


def _own_key(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """What goes round: the session's items, and its searches as one more."""
    slot = scene.steps.slot[rows]
    return np.where(slot >= 0, slot, -1 - scene.steps.session[rows])


COATTAIL = Family(
    name="coattail",
    kind="malicious_click",
    source="recommender_audit",
    delay=(7.0, 2.5),
    mission=Mission.COMPARE,
    share=(0.95, 0.65),
    habit=Action.CLICK,
    bend=_ride,
)
