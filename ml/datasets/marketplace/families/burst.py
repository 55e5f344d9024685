"""Traffic bursts: a crowd of accounts hits a target in waves, each by its script (all looks, then all clicks,
or the two by turns), ever slower as the shop holds it back.

Honest crowds come too, when an item is promoted; they look and click as they please.
"""

import numpy as np

from ml.datasets.marketplace.draws import flip, starts_of
from ml.datasets.marketplace.families.scene import Family, Plan, Scene, spread
from ml.datasets.marketplace.missions import Action, Mission

SPREAD = 1.5 / 24  # days that a wave lasts


def _gather(plan: Plan, family: int, attacks: np.ndarray) -> None:
    """An account's first attack of a wave is put off until the wave; its others come when they come."""
    sessions = plan.sessions
    shopper = sessions.shopper[attacks]
    wave = plan.campaigns.next_wave(plan.shoppers.number[shopper], sessions.start[attacks])
    start = wave + plan.rng.random(len(attacks)) * SPREAD
    order = np.lexsort((wave, shopper))
    first = np.zeros(len(attacks), bool)
    first[order[starts_of(shopper[order] * plan.world.days * 2 + wave[order].astype(int))]] = True
    joins = first & (start > plan.shoppers.joined[shopper]) & (start < plan.world.days)
    sessions.start[attacks[joins]] = start[joins]


def _hammer(scene: Scene, family: int, rows: np.ndarray) -> None:
    hit = np.flatnonzero((scene.slots.rank == 0) & np.isin(scene.slots.session, scene.steps.session[rows]))
    scene.item[hit] = scene.targets(family, hit)
    session, clicks = scene.steps.session[rows], scene.steps.action[rows] == Action.CLICK
    by_turns = flip(scene.rng, 0.5, len(scene.sessions))[session]
    scene.reorder(rows, np.where(by_turns, spread(session, clicks), clicks))
    scene.repace(rows, scene.gap[rows])


BURST = Family(
    name="burst",
    kind="abnormal_traffic",
    source="traffic_monitor",
    delay=(0.6, 0.4),
    mission=Mission.WATCH,
    share=(0.97, 0.65),
    habit=Action.VIEW,
    bend=_hammer,
    prepare=_gather,
)
