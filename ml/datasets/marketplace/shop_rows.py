"""A chunk's events and verdicts as rows of the shop's own files, under the shop's own names."""

import numpy as np
import polars as pl

from ml.datasets.marketplace.aftermath import Trail
from ml.datasets.marketplace.catalogue import CATEGORIES, Catalogue
from ml.datasets.marketplace.missions import Action
from ml.datasets.marketplace.names import customers, hashed, products
from ml.datasets.marketplace.shoppers import DEVICES
from ml.datasets.marketplace.verdicts import GOOD, Verdicts
from ml.datasets.marketplace.world import World

EVENT_TIME, VERDICT_TIME = "occurred_at", "known_at"


def event_rows(world: World, catalogue: Catalogue, number: np.ndarray, chunk: int, trail: Trail) -> pl.DataFrame:
    """The chunk's events as the shop names them, in time; number: (shoppers,) of the chunk's shoppers."""
    items = pl.Series(products(world.seed, np.arange(len(catalogue.category))))
    known = _known(trail.item)
    kinds = pl.Series([CATEGORIES[category] for category in catalogue.category])
    channel = np.where(trail.advert, 2, trail.app)
    return pl.DataFrame(
        {
            "event_key": pl.Series(hashed(world.seed, 2 * chunk, np.arange(len(trail)))),
            "customer": pl.Series(customers(world.seed, number)).gather(trail.shopper),
            "occurred_at": _moments(world, trail.time),
            "action": pl.Series([action.name.lower() for action in Action]).gather(trail.action),
            "product": items.gather(known),
            "visit": pl.Series(hashed(world.seed, 2 * chunk + 1, trail.session)),
            "value_eur": pl.Series(trail.amount).fill_nan(None),
            "channel": pl.Series(["web", "app", "ad"]).gather(channel),
            "device": pl.Series(DEVICES).gather(trail.device),
            "department": kinds.gather(known),
            "price_eur": pl.Series(trail.price).fill_nan(None),
            "stars": pl.Series(trail.stars).fill_nan(None).cast(pl.Int8),
        }
    )


def verdict_rows(world: World, events: pl.DataFrame, number: np.ndarray, verdicts: Verdicts) -> pl.DataFrame:
    """The chunk's verdicts as the shop names them, in time; events: what event_rows made of the same chunk."""
    return pl.DataFrame(
        {
            "customer": pl.Series(customers(world.seed, number)).gather(verdicts.shopper),
            "event_key": events["event_key"].gather(_known(verdicts.event)),
            "verdict": pl.Series(np.where(verdicts.kind == GOOD, "good", "abuse")),
            "reason": pl.Series(verdicts.kind.astype(str)),
            "decided_by": pl.Series(verdicts.source.astype(str)),
            "certainty": pl.Series(verdicts.certainty),
            "known_at": _moments(world, verdicts.known),
        }
    )


def _moments(world: World, days: np.ndarray) -> pl.Series:
    """Days since the period began -> UTC to the millisecond."""
    begin = int(world.midnight.timestamp() * 1000)
    return pl.Series((days * 86_400_000).astype(np.int64) + begin).cast(pl.Datetime("ms"))


def _known(index: np.ndarray) -> pl.Series:
    """An index that is -1 where there is nothing -> one that is null there."""
    series = pl.Series(index)
    return series.set(series < 0, None)
