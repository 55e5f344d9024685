"""No single figure about a shopper's whole trail tells a careful attacker from an honest shopper."""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from ml.datasets.marketplace import FAMILIES, World, simulate
from ml.datasets.marketplace.names import customers
from ml.datasets.marketplace.shoppers import HONEST, cast

_ACTIONS = ("view", "click", "cart", "favourite", "search", "order", "review", "refund")


def read_events(folder: Path) -> pl.DataFrame:
    events = pl.read_csv(
        folder / "events" / "*.csv.gz", schema_overrides={"stars": pl.Float64, "value_eur": pl.Float64}
    )
    return events.with_columns(pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ")).sort(
        "customer", "occurred_at"
    )


def read_labels(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "labels" / "*.csv.gz", schema_overrides={"event_key": pl.String})


def aggregates(events: pl.DataFrame) -> pl.DataFrame:
    """One row per customer: what an analyst would think of first, and some more."""
    time, product, visit = pl.col("occurred_at"), pl.col("product"), pl.col("visit")
    begin = events["occurred_at"].min()
    popularity = events.group_by("product").agg(pl.len().alias("popularity")).filter(pl.col("product").is_not_null())
    events = events.join(popularity, on="product", how="left", maintain_order="left").with_columns(
        gap=time.diff().over("customer").dt.total_milliseconds() / 1000,
        visit_gap=time.diff().over("customer", "visit").dt.total_milliseconds() / 1000,
        same_product=(product == product.shift()).over("customer").fill_null(False),
        same_department=(pl.col("department") == pl.col("department").shift()).over("customer").fill_null(False),
        same_action=(pl.col("action") == pl.col("action").shift()).over("customer").fill_null(False),
        new_device=(pl.col("device") != pl.col("device").shift()).over("customer").fill_null(False),
        first_look=(pl.int_range(pl.len()).over("customer", "product") == 0) & product.is_not_null(),
        hour=time.dt.hour(),
        day=time.dt.date(),
    )
    items = product.drop_nulls()
    shares = [(pl.col("action") == action).mean().alias(f"share_{action}") for action in _ACTIONS]
    per_visit = events.group_by("customer", "visit").agg(
        size=pl.len(),
        seconds=(time.max() - time.min()).dt.total_milliseconds() / 1000,
        variety=items.n_unique() / items.len(),
        departments=pl.col("department").drop_nulls().n_unique(),
    )
    visits = per_visit.group_by("customer").agg(
        visits=pl.len(),
        visit_size_mean=pl.col("size").mean(),
        visit_size_max=pl.col("size").max(),
        visit_size_std=pl.col("size").std(),
        visit_seconds=pl.col("seconds").mean(),
        visit_variety=pl.col("variety").mean(),
        visit_departments=pl.col("departments").mean(),
    )
    days = events.group_by("customer", "day").agg(n=pl.len()).group_by("customer").agg(busiest_day=pl.col("n").max())
    top = events.drop_nulls("product").group_by("customer", "product").agg(n=pl.len(), visits=visit.n_unique())
    top = top.group_by("customer").agg(top_item=pl.col("n").max(), top_item_visits=pl.col("visits").max())
    gap, within = pl.col("gap"), pl.col("visit_gap")
    return (
        events.group_by("customer")
        .agg(
            *shares,
            events=pl.len(),
            active_days=pl.col("day").n_unique(),
            first_seen=(time.min() - begin).dt.total_seconds(),
            last_seen=(time.max() - begin).dt.total_seconds(),
            lifetime=(time.max() - time.min()).dt.total_seconds(),
            gap_mean=gap.mean(),
            gap_std=gap.std(),
            gap_min=gap.min(),
            gap_median=gap.median(),
            gap_max=gap.max(),
            pace_mean=within.mean(),
            pace_std=within.std(),
            pace_median=within.median(),
            pace_min=within.min(),
            pace_variation=within.std() / within.mean(),
            pace_max=within.max(),
            distinct_items=items.n_unique(),
            item_variety=items.n_unique() / items.len(),
            department_variety=pl.col("department").drop_nulls().n_unique() / items.len(),
            departments=pl.col("department").drop_nulls().n_unique(),
            department_entropy=pl.col("department").drop_nulls().unique_counts().entropy(),
            action_entropy=pl.col("action").unique_counts().entropy(),
            hour_entropy=pl.col("hour").unique_counts().entropy(),
            night=(pl.col("hour") < 6).mean(),
            hour=pl.col("hour").mean(),
            weekend=(time.dt.weekday() > 5).mean(),
            amount_mean=pl.col("value_eur").mean(),
            amount_max=pl.col("value_eur").max(),
            spent=pl.col("value_eur").sum(),
            orders=(pl.col("action") == "order").sum(),
            price_mean=pl.col("price_eur").mean(),
            price_std=pl.col("price_eur").std(),
            price_max=pl.col("price_eur").max(),
            adverts=(pl.col("channel") == "ad").mean(),
            apps=(pl.col("channel") == "app").mean(),
            devices=pl.col("device").n_unique(),
            device_changes=pl.col("new_device").sum(),
            device_change_rate=pl.col("new_device").mean(),
            stars_mean=pl.col("stars").mean(),
            reviews=pl.col("stars").count(),
            popularity_mean=pl.col("popularity").mean(),
            popularity_min=pl.col("popularity").min(),
            popularity_log=pl.col("popularity").log().mean(),
            same_product=pl.col("same_product").mean(),
            same_department=pl.col("same_department").mean(),
            same_action=pl.col("same_action").mean(),
            first_looks=pl.col("first_look").mean(),
            millisecond=(time.dt.millisecond()).mean(),
        )
        .join(visits, on="customer")
        .join(days, on="customer")
        .join(top, on="customer", how="left")
        .with_columns(
            events_per_day=pl.col("events") / pl.col("active_days"),
            visits_per_day=pl.col("visits") / pl.col("active_days"),
            top_item_share=pl.col("top_item") / pl.col("events"),
            item_growth=pl.col("distinct_items").log1p() / pl.col("events").log1p(),
            customer_number=pl.col("customer").str.slice(1).cast(pl.Float64),
        )
        .sort("customer")
    )


def one_feature_aucs(table: pl.DataFrame, bad: np.ndarray, honest: np.ndarray) -> dict[str, float]:
    """max(AUC, 1 - AUC) of each aggregate for the customers marked bad against the honest; absent counts as least."""
    chosen = bad | honest
    positive, values = bad[chosen], table.drop("customer").cast(pl.Float64).fill_nan(None).fill_null(-1).to_numpy()
    ranks, count = rankdata(values[chosen], axis=0), positive.sum()
    auc = (ranks[positive].sum(axis=0) - count * (count + 1) / 2) / (count * (~positive).sum())
    return dict(zip(table.columns[1:], np.maximum(auc, 1 - auc).tolist(), strict=True))


@dataclass(frozen=True)
class Population:
    """One row or entry per customer. family: an index into FAMILIES, HONEST where there is none."""

    events: pl.DataFrame
    table: pl.DataFrame
    family: np.ndarray

    @classmethod
    def of(cls, world: World, folder: Path) -> "Population":
        simulate(world, folder)
        events = read_events(folder)
        table = aggregates(events)
        family = dict(zip(customers(world.seed, np.arange(world.shoppers)).to_pylist(), cast(world), strict=True))
        return cls(events, table, np.array([family[customer] for customer in table["customer"]]))

    @cached_property
    def worst(self) -> dict[str, tuple[str, float]]:
        """Of each family, the aggregate that tells it best from honest shoppers, and its AUC."""
        aucs = {
            name: one_feature_aucs(self.table, self.family == index, self.family == HONEST)
            for index, name in enumerate(FAMILIES)
        }
        return {name: max(told.items(), key=lambda item: item[1]) for name, told in aucs.items()}


WORLD = World(shoppers=3500, items=2000, anomalous_share=0.3, dirt=0.0)


@pytest.fixture(scope="module")
def populations(tmp_path_factory) -> dict[str, Population]:
    worlds = {
        "default": WORLD,
        "another seed": replace(WORLD, seed=11),
        "careless": replace(WORLD, shoppers=2000, stealth=0.0),
        "perfect": replace(WORLD, stealth=1.0),
    }
    return {name: Population.of(world, tmp_path_factory.mktemp("shop")) for name, world in worlds.items()}


@pytest.mark.parametrize("name", ["default", "another seed", "perfect"])
def test_no_single_aggregate_separates_a_family_of_careful_attackers(populations, name):
    worst = populations[name].worst
    assert populations[name].table.width > 60
    assert set(worst) == set(FAMILIES)
    assert {family: told for family, told in worst.items() if told[1] >= 0.88} == {}


def test_careless_attackers_are_told_by_single_aggregates(populations):
    worst = {name: np.mean([auc for _, auc in populations[name].worst.values()]) for name in populations}
    assert worst["careless"] > 0.9
    assert worst["careless"] > worst["default"] + 0.05
    assert worst["default"] > worst["perfect"]


def test_nothing_about_identity_arrival_or_clock_gives_a_family_away(populations):
    crowd = populations["default"]
    idle = ["customer_number", "millisecond", "first_seen"]
    for index, name in enumerate(FAMILIES):
        told = one_feature_aucs(crowd.table.select("customer", *idle), crowd.family == index, crowd.family == HONEST)
        assert told["customer_number"] < 0.58, name
        assert told["millisecond"] < 0.6, name
        assert told["first_seen"] < 0.62, name


def test_bad_accounts_sign_up_all_through_the_period(populations):
    crowd = populations["default"]
    week = crowd.table["first_seen"].to_numpy() // (7 * 86_400)
    for index, name in enumerate(FAMILIES):
        assert len(set(week[crowd.family == index])) >= 10, name


def test_honest_shoppers_look_at_nearly_all_that_bad_ones_look_at(populations):
    crowd = populations["default"]
    family = pl.DataFrame({"customer": crowd.table["customer"], "bad": crowd.family != HONEST})
    events = crowd.events.drop_nulls("product").join(family, on="customer")
    looks = events.group_by("product").agg(bad=pl.col("bad").sum(), honest=(~pl.col("bad")).sum())
    touched = looks.filter(pl.col("bad") > 0)
    assert touched.height > 500
    assert (touched["honest"] > 0).mean() > 0.97
    assert (touched["honest"] < touched["bad"]).mean() < 0.2


def test_combined_aggregates_tell_something_and_leave_room(populations):
    aucs = {name: cross_validated_auc(populations[name]) for name in ("careless", "default")}
    assert 0.75 < aucs["default"] < 0.95
    assert aucs["careless"] > aucs["default"] + 0.02


def cross_validated_auc(crowd: Population) -> float:
    """ROC AUC of gradient boosting on all the aggregates, each customer scored by a model that never saw them."""
    features = crowd.table.drop("customer", "customer_number", "first_seen", "last_seen").to_numpy()
    bad = (crowd.family != HONEST).astype(int)
    model = LGBMClassifier(
        n_estimators=80, learning_rate=0.08, num_leaves=15, colsample_bytree=0.5, verbose=-1, n_jobs=1
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        scores = cross_val_predict(model, features, bad, cv=3, method="predict_proba")[:, 1]
    return roc_auc_score(bad, scores)
