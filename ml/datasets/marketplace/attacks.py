"""Which sessions are attacks, and what carelessness adds to them; the families bend the rest."""

import numpy as np

from ml.datasets.marketplace.draws import flip, rank_in, starts_of
from ml.datasets.marketplace.families import BY_NAME, Family, Plan, Scene
from ml.datasets.marketplace.missions import Action
from ml.datasets.marketplace.sessions import LONGEST, lengths
from ml.datasets.marketplace.shoppers import Shoppers
from ml.datasets.marketplace.world import World

CROWD = 4.0  # how alike a family's members are in the share of their sessions that are attacks
HURRY = 0.3  # factor on a careless attacker's gaps
LONG = 2.2  # factor on a careless attack's length
ROUND_THE_CLOCK = 0.8  # probability that a careless attack comes at any hour
HABIT = 0.6  # probability that a careless attacker's view or click is its habit instead


def least_sessions(world: World, shoppers: Shoppers) -> np.ndarray:
    """int64 (shoppers,): the fewest sessions that each must have for its family's story."""
    least = np.array([BY_NAME[name].least_sessions for name in world.families] + [1])
    return least[shoppers.family]  # HONEST is -1: the last


def plan_attacks(plan: Plan) -> None:
    """Marks the sessions that are attacks and settles their mission, time, length and tastes."""
    for index, family in enumerate(_families(plan.world)):
        theirs = np.flatnonzero(plan.shoppers.family[plan.sessions.shopper] == index)
        attacks = theirs[_alternate(plan, family.share, theirs) if family.share else _streak(plan, theirs)]
        plan.sessions.attack[attacks] = True
        plan.sessions.mission[attacks] = family.mission
        shopper = plan.sessions.shopper[attacks]
        length = lengths(plan.shoppers, shopper, plan.sessions.mission[attacks], plan.rng)
        plan.sessions.length[attacks] = np.minimum(length * plan.world.careless(LONG, 1.0), LONGEST).astype(int)
        _forget_the_hour(plan, attacks)
        if family.prepare:
            family.prepare(plan, index, attacks)


def commit(scene: Scene) -> None:
    """Lets every family bend its attacks, then adds what carelessness shows."""
    family = np.where(scene.sessions.attack, scene.shoppers.family[scene.sessions.shopper], -1)[scene.steps.session]
    for index, member in enumerate(_families(scene.world)):
        rows = np.flatnonzero(family == index)
        if len(rows):
            member.bend(scene, index, rows)
            scene.gap[rows] *= scene.world.careless(HURRY, 1.0)
            _fall_into_habit(scene, member, rows)


def _families(world: World) -> list[Family]:
    return [BY_NAME[name] for name in world.families]


def _alternate(plan: Plan, share: tuple[float, float], theirs: np.ndarray) -> np.ndarray:
    """bool: a share of each account's sessions, at least one, in between honest ones."""
    shopper = plan.sessions.shopper[theirs]
    crude, careful = share
    mean = crude + (careful - crude) * plan.world.stealth
    chosen = plan.rng.beta(CROWD * mean, CROWD * (1 - mean), len(plan.shoppers))[shopper]
    chance = plan.rng.random(len(theirs))
    first = starts_of(shopper)
    lowest = (
        np.repeat(np.minimum.reduceat(chance, first), np.diff(np.r_[first, len(theirs)])) if len(theirs) else chance
    )
    return (chance < chosen) | (chance == lowest)


def _streak(plan: Plan, theirs: np.ndarray) -> np.ndarray:
    """bool: one session or two in a row, none among an account's first two."""
    shopper = plan.sessions.shopper[theirs]
    sessions = np.bincount(shopper, minlength=len(plan.shoppers))
    begin = 2 + (plan.rng.random(len(plan.shoppers)) * (sessions - 2)).astype(int)
    count = plan.rng.integers(1, 3, len(plan.shoppers))
    nth = rank_in(shopper)
    return (nth >= begin[shopper]) & (nth < (begin + count)[shopper])


def _forget_the_hour(plan: Plan, attacks: np.ndarray) -> None:
    careless = flip(plan.rng, ROUND_THE_CLOCK * (1 - plan.world.stealth), len(attacks))
    start = plan.sessions.day[attacks] + plan.rng.random(len(attacks))
    moved = careless & (start > plan.shoppers.joined[plan.sessions.shopper[attacks]])
    plan.sessions.start[attacks[moved]] = start[moved]


def _fall_into_habit(scene: Scene, family: Family, rows: np.ndarray) -> None:
    plain = np.isin(scene.steps.action[rows], (Action.VIEW, Action.CLICK)) & ~scene.steps.wanted[rows]
    fallen = rows[plain & ~scene.steps.advert[rows] & flip(scene.rng, HABIT * (1 - scene.world.stealth), len(rows))]
    scene.steps.action[fallen] = family.habit
