"""Brushing: accounts in a colluding seller's pay search for its item, find it at once, order it and praise it later.

An honest shopper buys as fast only what they know well; these order what they never looked at before.
"""

import numpy as np

from ml.datasets.marketplace.families.scene import Family, Named, Scene
from ml.datasets.marketplace.missions import Action, Mission


def _order(scene: Scene, family: int, rows: np.ndarray) -> None:
    steps = scene.steps
    bought = np.flatnonzero(scene.slots.wanted & np.isin(scene.slots.session, steps.session[rows]))
    scene.item[bought] = scene.targets(family, bought)
    scene.misdeed[rows] = steps.wanted[rows] & (steps.action[rows] == Action.ORDER)


BRUSHING = Family(
    name="brushing",
    kind="fake_order",
    source="seller_audit",
    delay=(6.0, 2.5),
    mission=Mission.REORDER,
    share=(0.8, 0.35),
    habit=Action.SEARCH,
    bend=_order,
    named=Named.EACH_DEED,
    praise_kind="fake_review",
)
