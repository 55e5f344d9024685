"""Honest shoppers: what they do makes sense, and they are as different from one another as people are."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ml.datasets.marketplace import World
from ml.datasets.marketplace.aftermath import Trail
from ml.datasets.marketplace.catalogue import Catalogue, stock
from ml.datasets.marketplace.draws import rank_in
from ml.datasets.marketplace.families import Scene
from ml.datasets.marketplace.missions import Action
from ml.datasets.marketplace.sessions import MOBILE
from ml.datasets.marketplace.shoppers import cast
from ml.datasets.marketplace.simulation import play

WORLD = World(shoppers=3000, items=1000, families=())


@dataclass(frozen=True)
class Played:
    catalogue: Catalogue
    scene: Scene
    trail: Trail


@pytest.fixture(scope="module")
def played() -> Played:
    catalogue = stock(WORLD)
    scene, trail, _ = next(play(WORLD, catalogue, cast(WORLD)))
    return Played(catalogue, scene, trail)


def keys(trail: Trail, rows: np.ndarray) -> np.ndarray:
    """One number for each pair of shopper and item."""
    return trail.shopper[rows] * 100_000 + trail.item[rows]


def first_times(trail: Trail, action: Action) -> dict[int, float]:
    """When each shopper first did that to each item."""
    rows = np.flatnonzero(trail.action == action)
    names, first = np.unique(keys(trail, rows), return_index=True)
    return dict(zip(names.tolist(), trail.time[rows[first]].tolist(), strict=True))


@pytest.mark.parametrize(
    ("deed", "before"),
    [(Action.REVIEW, Action.ORDER), (Action.REFUND, Action.ORDER)],
)
def test_only_what_was_ordered_is_reviewed_or_returned(played, deed, before):
    done, enabled = first_times(played.trail, deed), first_times(played.trail, before)
    assert len(done) > 100
    assert all(enabled[key] < time for key, time in done.items())


def test_nothing_is_ordered_unseen(played):
    trail = played.trail
    orders = np.flatnonzero(trail.action == Action.ORDER)
    looks = np.isin(trail.action, (Action.VIEW, Action.CLICK, Action.CART, Action.FAVOURITE))
    seen = np.unique(trail.session[looks] * 100_000 + trail.item[looks])
    assert len(orders) > 1000
    assert np.isin(trail.session[orders] * 100_000 + trail.item[orders], seen).mean() > 0.99


def test_an_order_costs_a_whole_number_of_pieces_and_a_refund_what_was_paid(played):
    trail = played.trail
    orders, refunds = (np.flatnonzero(trail.action == action) for action in (Action.ORDER, Action.REFUND))
    pieces = trail.amount[orders] / trail.price[orders]
    assert np.allclose(pieces, np.round(pieces), atol=0.02)
    paid = set(zip(keys(trail, orders).tolist(), trail.amount[orders].tolist(), strict=True))
    assert set(zip(keys(trail, refunds).tolist(), trail.amount[refunds].tolist(), strict=True)) <= paid
    assert np.isnan(trail.amount[~np.isin(trail.action, (Action.ORDER, Action.REFUND))]).all()


def test_every_shopper_comes_and_nobody_before_signing_up(played):
    trail, shoppers = played.trail, played.scene.shoppers
    first = np.full(len(shoppers), np.inf)
    np.minimum.at(first, trail.shopper, trail.time)
    assert (first >= shoppers.joined).all()
    assert (first[shoppers.newcomer] == shoppers.joined[shoppers.newcomer]).all()
    arrivals = np.bincount(first[shoppers.newcomer].astype(int), minlength=WORLD.days)
    assert (arrivals > 0).all()


def test_days_and_weeks_have_a_rhythm_and_some_live_by_night(played):
    trail = played.trail
    hour, weekday = (trail.time % 1 * 24).astype(int), (trail.time.astype(int) + WORLD.start.weekday()) % 7
    by_hour = np.bincount(hour, minlength=24)
    assert by_hour[18:22].sum() > 3 * by_hour[2:6].sum()
    by_weekday = np.bincount(weekday, minlength=7) / np.bincount((np.arange(WORLD.days) + WORLD.start.weekday()) % 7)
    assert by_weekday[5:].mean() > 1.2 * by_weekday[:5].mean()
    at_night = np.bincount(trail.shopper, weights=hour < 5) / np.bincount(trail.shopper)
    assert 0.02 < (at_night > 0.5).mean() < 0.15


def test_activity_and_sessions_are_heavy_tailed(played):
    for group in (played.trail.shopper, played.trail.session):
        size = np.sort(np.unique(group, return_counts=True)[1])[::-1]
        assert size[: len(size) // 10].sum() > 0.25 * size.sum()
        assert len(set(size.tolist())) > 30
        assert size.max() > 8 * np.median(size)


def test_interests_persist_and_drift(played):
    sessions = played.scene.sessions
    same_shopper = sessions.shopper[1:] == sessions.shopper[:-1]
    same_category = sessions.category[1:] == sessions.category[:-1]
    apart = sessions.start[1:] - sessions.start[:-1]
    soon, late = (same_category[same_shopper & when].mean() for when in (apart < 3, apart > 25))
    strangers = same_category[~same_shopper].mean()
    assert soon > 1.3 * late > 1.3 * 1.3 * strangers


def test_a_few_items_draw_most_looks_and_not_always_the_same(played):
    trail = played.trail
    known = trail.item >= 0
    looks = np.sort(np.bincount(trail.item[known], minlength=WORLD.items))[::-1]
    assert looks[: WORLD.items // 10].sum() > 0.35 * looks.sum()

    def bestsellers(when: np.ndarray) -> set[int]:
        return set(np.argsort(-np.bincount(trail.item[known & when], minlength=WORLD.items))[:50].tolist())

    assert 10 < len(bestsellers(trail.time < 14) & bestsellers(trail.time >= WORLD.days - 14)) < 42


def test_a_promotion_makes_an_honest_burst_at_a_lower_price(played):
    trail, promoted = played.trail, played.catalogue.promoted
    known = np.flatnonzero(trail.item >= 0)
    looks = np.zeros((WORLD.days, WORLD.items))
    np.add.at(looks, (trail.time[known].astype(int), trail.item[known]), 1)
    assert looks[promoted].mean() > 4 * looks[~promoted].mean()
    begins = promoted[1:] & ~promoted[:-1]
    prices = played.catalogue.price_on(np.nonzero(begins)[1], np.nonzero(begins)[0] + 1)
    assert (prices < played.catalogue.price[np.nonzero(begins)[1]]).all()


def test_reviews_are_mostly_kind_and_not_all_alike(played):
    stars = played.trail.stars[played.trail.action == Action.REVIEW]
    assert len(stars) > 200
    assert set(stars.tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert 3.7 < stars.mean() < 4.7


def test_steps_of_a_session_follow_one_another_within_minutes(played):
    steps, gap = played.scene.steps, played.scene.gap
    first = rank_in(steps.session) == 0
    assert (gap[first] == 0).all()
    assert (gap[~first] > 0).all()
    assert 3 < np.median(gap[~first]) < 40
    assert gap.max() < 12 * 3600


def test_from_the_day_of_the_app_on_nobody_comes_by_a_mobile_browser(played):
    day, world = 40, replace(WORLD, app_day=40)
    sessions = next(play(world, stock(world), cast(world)))[0].sessions
    mobile, after = np.isin(sessions.device, MOBILE), sessions.start >= day
    assert sessions.app[mobile & after].all()
    before = mobile & ~after
    assert before.sum() > 1000
    assert sessions.app[before].tolist() == played.scene.sessions.app[before].tolist()
    assert not sessions.app[before].all()
