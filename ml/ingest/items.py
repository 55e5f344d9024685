"""Who acted on an item before, and how often: what a day leaves for later days, and what an event gets from both.

An item's events fall into turns: one user's events on it that no other user's comes between. What came before a turn is
the newest event by anyone else for each event of the turn, so one sort of a day tells it without a look at each pair.
"""

import polars as pl

TIME = pl.Datetime("us", "UTC")
# A day's row for an item. other_time: the newest by anyone but last_user, absent where nobody else acted that day.
ITEMS = {
    "item_id": pl.String, "events": pl.Int64, "users": pl.Int64,
    "last_user": pl.String, "last_time": TIME, "other_time": TIME,
}  # fmt: skip
NEEDED = ("item_id", "user_id", "event_time", "event_id")


def sum_up(rows: pl.DataFrame) -> pl.DataFrame:
    """A day's events, with NEEDED columns at least -> ITEMS, one row for each item, sorted by it."""
    turns = _cut_turns(rows.drop_nulls("item_id"))
    counts = (pl.len().cast(pl.Int64).alias("events"), pl.col("user_id").n_unique().cast(pl.Int64).alias("users"))
    newest = (
        pl.col("user_id").last().alias("last_user"),
        pl.col("event_time").last().alias("last_time"),
        pl.col("other_time").last(),
    )
    return turns.group_by("item", maintain_order=True).agg(pl.col("item_id").first(), *counts, *newest).drop("item")


def add_items(rows: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """A day's events with item_events, item_users and item_other_time (see ml.contracts.lake).

    earlier: ITEMS of each of the days that count, one after another.
    """
    turns = _cut_turns(rows)
    known = pl.col("item_id").is_not_null()
    numbers = (pl.when(known).then(pl.col(name).fill_null(0)) for name in ("item_events", "item_users"))
    other = pl.when(known).then(pl.when("first_turn").then("before_today").otherwise("other_time"))
    found = turns.join(_look_back(turns, earlier), on="item", how="left").sort("row")
    return rows.hstack(found.select(*numbers, item_other_time=other))


def _look_back(turns: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """By item: item_events and item_users of the earlier days, and before_today, their newest event by anyone but the
    user who has the item's first turn."""
    openers = turns.filter("opens_day").select("item", "item_id", opener="user_id")
    by_another = pl.when(pl.col("last_user") != pl.col("opener")).then("last_time").otherwise("other_time")
    sums = (pl.col("events").sum().alias("item_events"), pl.col("users").sum().alias("item_users"))
    return earlier.join(openers, on="item_id").group_by("item").agg(*sums, before_today=by_another.max())


def _cut_turns(rows: pl.DataFrame) -> pl.DataFrame:
    """NEEDED columns and row, in the order of (item_id, event_time, event_id), with

    opens_day: whether it is the item's first event; item: the item's number; first_turn: whether it is in the item's
    first turn; other_time: of the newest event before it by another user, absent in the first turn.
    """
    opens_day = pl.col("item_id").ne_missing(pl.col("item_id").shift())
    opens_turn = pl.col("opens_day") | (pl.col("user_id") != pl.col("user_id").shift())
    turn = pl.when(opens_turn).then(pl.int_range(pl.len())).forward_fill()
    ordered = rows.select(NEEDED).with_row_index("row").sort("item_id", "event_time", "event_id")
    return (
        ordered.with_columns(opens_day=opens_day)
        .with_columns(item=pl.col("opens_day").cum_sum(), turn=turn)
        .with_columns(first_turn=pl.col("opens_day").gather("turn"), before=pl.col("event_time").shift().gather("turn"))
        .with_columns(other_time=pl.when(~pl.col("first_turn")).then("before"))
    )
