"""What each family does in its attacks that honest shoppers do not, though both do as much, as fast and as variedly."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ml.datasets.marketplace import FAMILIES, World
from ml.datasets.marketplace.aftermath import Trail
from ml.datasets.marketplace.browsing import NO_SLOT
from ml.datasets.marketplace.catalogue import stock
from ml.datasets.marketplace.draws import rank_in
from ml.datasets.marketplace.families import BY_NAME, Scene
from ml.datasets.marketplace.missions import Action, Mission
from ml.datasets.marketplace.shoppers import HONEST, RUSH, cast
from ml.datasets.marketplace.simulation import play
from ml.datasets.marketplace.verdicts import WHOLE_ACCOUNT, Verdicts

WORLD = World(shoppers=1800, items=1000, anomalous_share=0.4)


@dataclass(frozen=True)
class Played:
    scene: Scene
    trail: Trail
    verdicts: Verdicts

    def rows(self, family: str | None, mission: Mission | None = None) -> np.ndarray:
        """The steps of a family's attacks; of honest shoppers' sessions with that mission where there is none."""
        sessions, steps = self.scene.sessions, self.scene.steps
        index = FAMILIES.index(family) if family else HONEST
        chosen = (self.scene.shoppers.family[sessions.shopper] == index) & (sessions.attack | (family is None))
        if mission is not None:
            chosen &= sessions.mission == mission
        return np.flatnonzero(chosen[steps.session])

    def column(self, rows: np.ndarray, name: str) -> np.ndarray:
        return getattr(self.scene.steps, name)[rows]


@pytest.fixture(scope="module")
def played() -> Played:
    return Played(*next(play(WORLD, stock(WORLD), cast(WORLD))))


def share_of_sessions(session: np.ndarray, holds: np.ndarray) -> float:
    """Share of the sessions, among those with three rows or more, all of whose rows hold."""
    names, place = np.unique(session, return_inverse=True)
    rows, broken = np.bincount(place), np.bincount(place, weights=~holds)
    assert (rows >= 3).sum() > 50, names.size
    return float((broken[rows >= 3] == 0).mean())


def test_the_families_are_those_that_a_world_names():
    assert tuple(BY_NAME) == FAMILIES
    assert all(name == family.name for name, family in BY_NAME.items())


def test_every_bad_account_attacks_and_many_behave_honestly_too(played):
    sessions, family = played.scene.sessions, played.scene.shoppers.family
    attacks = np.bincount(sessions.shopper, weights=sessions.attack, minlength=len(family))
    honest = np.bincount(sessions.shopper, weights=~sessions.attack, minlength=len(family))
    for index, name in enumerate(FAMILIES):
        assert (attacks[family == index] >= 1).all(), name
        assert (honest[family == index] >= 1).mean() > 0.3, name
    assert attacks[family == HONEST].sum() == 0


def test_each_family_has_its_own_kind_of_label_and_honest_shoppers_have_none(played):
    verdicts, family = played.verdicts, played.scene.shoppers.family
    kinds = {name: set(verdicts.kind[family[verdicts.shopper] == index]) for index, name in enumerate(FAMILIES)}
    assert kinds == {
        "scraper": {"bot"},
        "click_farm": {"malicious_click"},
        "brushing": {"fake_order", "fake_review"},
        "coattail": {"malicious_click"},
        "takeover": {"account_takeover"},
        "burst": {"abnormal_traffic"},
    }
    assert set(verdicts.kind[family[verdicts.shopper] == HONEST]) == {"none"}


def test_every_bad_account_is_labelled_and_no_later_than_the_label_delay(played):
    verdicts, trail, scene = played.verdicts, played.trail, played.scene
    assert (np.diff(verdicts.known) >= 0).all()
    attack = np.where(scene.sessions.attack, scene.sessions.start, np.inf)
    first = np.full(len(scene.shoppers), np.inf)
    np.minimum.at(first, scene.sessions.shopper, attack)
    whole = (verdicts.event == WHOLE_ACCOUNT) & (verdicts.kind != "none")
    delay = np.where(whole, verdicts.known - first[verdicts.shopper], verdicts.known - trail.time[verdicts.event])
    assert ((delay > 0) | (verdicts.kind == "none")).all()
    assert delay[whole].max() <= 14
    assert set(verdicts.shopper[verdicts.kind != "none"]) == set(np.flatnonzero(scene.shoppers.family != HONEST))


def test_a_scraper_walks_up_the_prices(played):
    def climbing(rows: np.ndarray) -> float:
        rows = rows[played.column(rows, "slot") != NO_SLOT]
        session = played.column(rows, "session")
        price = played.scene.catalogue.price[played.scene.item[played.column(rows, "slot")]]
        return share_of_sessions(session, (np.r_[0, np.diff(price)] >= 0) | (rank_in(session) <= 1))

    assert climbing(played.rows("scraper")) == 1.0
    assert climbing(played.rows(None, Mission.GALLERY)) < 0.3


def test_a_click_farm_does_not_look_at_what_it_clicked(played):
    def goes_on(rows: np.ndarray) -> float:
        session, slot, advert = (played.column(rows, name) for name in ("session", "slot", "advert"))
        followed = advert[:-1] & (session[1:] == session[:-1]) & (slot[1:] != NO_SLOT)
        assert followed.sum() > 100
        return float((slot[1:] == slot[:-1])[followed].mean())

    assert goes_on(played.rows("click_farm")) < 0.2
    assert goes_on(played.rows(None)) > 0.7


def test_brushing_orders_what_the_account_never_looked_at_before(played):
    trail, family = played.trail, played.scene.shoppers.family[played.trail.shopper]

    def first_met(bought: np.ndarray) -> float:
        """Share of the orders whose buyer had met the item once only: just before, to order it."""
        met = [(trail.shopper == trail.shopper[row]) & (trail.item == trail.item[row]) for row in bought]
        return float(np.mean([rows[:row].sum() == 1 for row, rows in zip(bought, met, strict=True)]))

    orders = trail.action == Action.ORDER
    fake = np.flatnonzero(orders & trail.misdeed & (family == FAMILIES.index("brushing")))
    honest = np.flatnonzero(orders & (family == HONEST))
    assert len(fake) > 100
    assert first_met(fake) > 0.8
    assert first_met(honest[::10]) < 0.35
    assert len(fake) / len(set(trail.item[fake])) > 1.5  # they have sellers in common


def test_a_coattail_attack_never_stays_with_an_item_it_can_leave(played):
    def stays(rows: np.ndarray) -> float:
        slot, session = played.column(rows, "slot"), played.column(rows, "session")
        inside = session[1:] == session[:-1]
        return float((slot[1:] == slot[:-1])[inside].mean())

    assert stays(played.rows("coattail")) < 0.6 * stays(played.rows(None, Mission.COMPARE))


def test_a_thief_comes_to_an_account_in_mid_life_on_a_strange_device(played):
    sessions, family = played.scene.sessions, played.scene.shoppers.family
    theirs = family[sessions.shopper] == FAMILIES.index("takeover")
    first = theirs & sessions.attack & ~np.r_[False, sessions.attack[:-1]]
    assert first.sum() == (family == FAMILIES.index("takeover")).sum()
    assert (rank_in(sessions.shopper)[first] >= 2).all()
    changed = (
        np.r_[False, sessions.device[1:] != sessions.device[:-1]]
        & np.r_[False, sessions.shopper[1:] == sessions.shopper[:-1]]
    )
    assert changed[first].mean() > 2 * changed[~sessions.attack].mean()


def test_a_burst_slows_down_and_comes_together(played):
    def slowing(rows: np.ndarray) -> float:
        session, gap = played.column(rows, "session"), played.scene.gap[rows]
        return share_of_sessions(session, (np.r_[0, np.diff(gap)] >= 0) | (rank_in(session) <= 1))

    rows = played.rows("burst")
    assert slowing(rows) == 1.0
    assert slowing(played.rows(None, Mission.WATCH)) < 0.15
    assert together(played, rows) > 3 * together(played, played.rows(None, Mission.WATCH))


def together(played: Played, rows: np.ndarray) -> float:
    """Share of the sessions whose first item another account begins with, too, within three hours."""
    sessions, slots = played.scene.sessions, played.scene.slots
    first = np.flatnonzero((slots.rank == 0) & np.isin(slots.session, played.column(rows, "session")))
    item, session = played.scene.item[first], slots.session[first]
    order = np.lexsort((sessions.start[session], item))
    item, start, shopper = item[order], sessions.start[session[order]], sessions.shopper[session[order]]
    near = (np.diff(start) < 3 / 24) & (np.diff(item) == 0) & (np.diff(shopper) != 0)
    assert len(first) > 200
    return float((np.r_[near, False] | np.r_[False, near]).mean())


@pytest.mark.parametrize("family", ["scraper", "click_farm", "coattail"])
def test_automata_keep_the_pace_and_lose_its_sense(played, family):
    def pace(rows: np.ndarray) -> tuple[float, float]:
        """Median gap in seconds; share of gaps after a view, within a session, too short to have read anything."""
        inside = rows[rank_in(played.column(rows, "session")) > 0]
        after_view = inside[played.scene.steps.action[inside - 1] == Action.VIEW]
        return float(np.median(played.scene.gap[inside])), float((played.scene.gap[after_view] < 5).mean())

    mission = BY_NAME[family].mission
    (bad_median, bad_hasty), (honest_median, honest_hasty) = pace(played.rows(family)), pace(played.rows(None, mission))
    assert 0.6 < bad_median / honest_median < 1.2
    assert bad_hasty > 3 * honest_hasty


def test_a_family_that_arrives_on_a_day_signs_up_within_days_and_does_nothing_before():
    day, world = 60, replace(WORLD, arrivals={"scraper": 60})
    scene, trail, _ = next(play(world, stock(world), cast(world)))
    scrapers = scene.shoppers.family == FAMILIES.index("scraper")
    theirs = trail.time[scrapers[trail.shopper]]
    assert scrapers.sum() > 100
    assert day <= theirs.min() < day + 1
    assert scene.shoppers.joined[scrapers].max() < day + RUSH
    others = scene.shoppers.family == FAMILIES.index("click_farm")
    assert trail.time[others[trail.shopper]].min() < 1
