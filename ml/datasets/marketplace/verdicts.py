"""What the shop found out, and when it did."""

from dataclasses import dataclass

import numpy as np

from ml.datasets.marketplace.aftermath import Trail
from ml.datasets.marketplace.draws import flip
from ml.datasets.marketplace.families import BY_NAME, Family, Named, Scene
from ml.datasets.marketplace.missions import Action
from ml.datasets.marketplace.shoppers import HONEST

LATEST_DAYS = 14  # from misdeed to label
REVIEWED_AND_GOOD = 0.015  # of the honest shoppers
WHOLE_ACCOUNT = -1
GOOD = "none"


@dataclass
class Verdicts:
    """One entry each. event: a row of the trail, or WHOLE_ACCOUNT. known: days since the period began."""

    shopper: np.ndarray
    event: np.ndarray
    kind: np.ndarray
    source: np.ndarray
    certainty: np.ndarray
    known: np.ndarray


def judge(scene: Scene, trail: Trail) -> Verdicts:
    """All that will ever be known about the chunk's shoppers, in the order in which it became known."""
    found = flip(scene.rng, scene.world.detection, len(scene.shoppers))
    parts = [_reviewed_and_good(scene, trail)]
    for index, name in enumerate(scene.world.families):
        family = BY_NAME[name]
        parts.append(_JUDGES[family.named](scene, family, trail, found & (scene.shoppers.family == index)))
    columns = [np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)]
    in_time = np.argsort(columns[-1], kind="stable")
    return Verdicts(*(column[in_time] for column in columns))


def _account(scene: Scene, family: Family, trail: Trail, theirs: np.ndarray) -> Verdicts:
    """One verdict for each account, some time after its first attack."""
    sessions = scene.sessions
    attacks = np.flatnonzero(sessions.attack & theirs[sessions.shopper] & (sessions.start < scene.world.days))
    first = np.full(len(scene.shoppers), np.inf)
    np.minimum.at(first, sessions.shopper[attacks], sessions.start[attacks])
    shopper = np.flatnonzero(np.isfinite(first))
    known = first[shopper] + _delays(scene, family, len(shopper))
    return _guilty(scene, family, shopper, np.full(len(shopper), WHOLE_ACCOUNT), family.kind, known)


def _each_deed(scene: Scene, family: Family, trail: Trail, theirs: np.ndarray) -> Verdicts:
    event = np.flatnonzero(trail.misdeed & theirs[trail.shopper])
    kind = np.where(trail.action[event] == Action.REVIEW, family.praise_kind, family.kind)
    known = trail.time[event] + _delays(scene, family, len(event))
    return _guilty(scene, family, trail.shopper[event], event, kind, known)


def _all_deeds(scene: Scene, family: Family, trail: Trail, theirs: np.ndarray) -> Verdicts:
    """An account's misdeeds become known together, some time after the last of them."""
    event = np.flatnonzero(trail.misdeed & theirs[trail.shopper])
    known = np.zeros(len(scene.shoppers))
    np.maximum.at(known, trail.shopper[event], trail.time[event])
    known += _delays(scene, family, len(known))
    return _guilty(scene, family, trail.shopper[event], event, family.kind, known[trail.shopper[event]])


def _reviewed_and_good(scene: Scene, trail: Trail) -> Verdicts:
    """A few honest shoppers whom someone looked into, some time after something they did."""
    honest = (scene.shoppers.family == HONEST) & flip(scene.rng, REVIEWED_AND_GOOD, len(scene.shoppers))
    latest = np.zeros(len(scene.shoppers))
    order = scene.rng.permutation(len(trail))
    latest[trail.shopper[order]] = trail.time[order]
    shopper = np.flatnonzero(honest)
    n = len(shopper)
    known = latest[shopper] + np.minimum(scene.rng.gamma(2.0, 2.0, n), LATEST_DAYS - 0.1)
    return Verdicts(
        shopper, np.full(n, WHOLE_ACCOUNT), np.full(n, GOOD, object), np.full(n, "analyst", object), np.ones(n), known
    )


def _delays(scene: Scene, family: Family, count: int) -> np.ndarray:
    mean, deviation = family.delay
    return np.minimum(scene.rng.gamma((mean / deviation) ** 2, deviation**2 / mean, count), LATEST_DAYS - 0.1)


def _guilty(
    scene: Scene, family: Family, shopper: np.ndarray, event: np.ndarray, kind: np.ndarray | str, known: np.ndarray
) -> Verdicts:
    n = len(shopper)
    kinds, sources = np.broadcast_to(np.asarray(kind, object), n), np.full(n, family.source, object)
    return Verdicts(shopper, event, kinds, sources, np.round(scene.rng.uniform(0.8, 1.0, n), 2), known)


_JUDGES = {Named.ACCOUNT: _account, Named.EACH_DEED: _each_deed, Named.ALL_DEEDS: _all_deeds}
