"""A lake of simulated events of any size, without the shop's raw files in between."""

import os
import tempfile
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from tqdm import tqdm

from ml.contracts.lake import part
from ml.datasets.marketplace import World, shoppers
from ml.datasets.marketplace.catalogue import stock
from ml.datasets.marketplace.shop_files import Spill
from ml.datasets.marketplace.shop_rows import EVENT_TIME, event_rows
from ml.datasets.marketplace.simulation import play
from ml.ingest.partitions import publish_days

EVENTS_PER_SHOPPER = 37.6  # of the default world
# What the shipped descriptor calls the shop's columns.
NAMES = {
    "event_key": "event_id", "customer": "user_id", "occurred_at": "event_time", "action": "event_type",
    "product": "item_id", "visit": "session_id", "value_eur": "amount", "channel": "channel", "device": "device",
    "department": "category", "price_eur": "price", "stars": "stars",
}  # fmt: skip


def build_lake(root: Path, events: int, *, all_active_on: date | None = None) -> int:
    """Publishes about so many events of the default world, enlarged, below `root`; returns how many there are.

    all_active_on: every trail is moved by whole days so that it ends on this day.
    """
    count = max(100, round(events / EVENTS_PER_SHOPPER))
    world = World(shoppers=count, items=max(4000, count // 3), dirt=0.0)
    last = all_active_on or world.day(world.days - 1)
    catalogue, family = stock(world), shoppers.cast(world)
    written = 0
    with tempfile.TemporaryDirectory(dir=root) as folder:
        spill = Spill(Path(folder) / "rows", EVENT_TIME)
        chunks = tqdm(play(world, catalogue, family), desc="simulate", unit="chunk", disable=None)
        for chunk, (scene, trail, _) in enumerate(chunks):
            rows = event_rows(world, catalogue, scene.shoppers.number, chunk, trail)
            spill.add(chunk, rows if all_active_on is None else _end_on(rows, all_active_on))
            written += len(trail)
        days = [last - timedelta(days=back) for back in reversed(range(world.days))]
        for day in tqdm(days, desc="publish", unit="day", disable=None):
            path = part(Path(folder), day)
            os.makedirs(path.parent)
            _contract(spill.day(day)).write_parquet(path)
            publish_days(root, {day: path})
            path.unlink()
    return written


def _end_on(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    missing = pl.lit(day) - pl.col(EVENT_TIME).max().over("customer").dt.date()
    return rows.with_columns(pl.col(EVENT_TIME) + missing).sort(EVENT_TIME)


def _contract(rows: pl.DataFrame) -> pl.DataFrame:
    time = pl.col("event_time").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return rows.rename(NAMES).with_columns(time, pl.col("stars").cast(pl.Float64))
