"""What a user's trail looks like at each event, as plain numbers: the formulas behind the model's numeric inputs.

Everything follows from the contract's columns and the declared extras. Nothing here knows the absolute date: a
model that did would learn when each class was sampled, not how it behaves.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.events import Kind
from ml.sequences.ragged import Ragged, Running
from ml.sequences.sequences import Sequences

SESSION_GAP = 1800.0  # seconds of silence that end a session where the shop names none
RECENT = {"5m": 300.0, "1h": 3600.0, "1d": 86400.0}
DAY_SECONDS = 86400
SINGLE_EVENT = (
    *("gap", "account_age", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "same_type", "same_item"),
    *("item_new", "item_visit", "item_events", "item_users", "item_gap", "item_bad_users"),
)  # besides amount and numeric extras


def describe_steps(sequences: Sequences, extras: Mapping[str, Kind]) -> dict[str, np.ndarray]:
    """Every numeric feature in its natural (mostly logarithmic) unit: name -> float64 (events,), nan where unknown.

    Names are stable snake_case. "so far" means within the kept window, up to and including the event.
    """
    ragged = Ragged(sequences.offsets)
    events = sequences.events
    return {
        **_timing(events, ragged),
        **_rhythm(events, ragged),
        **_items(events, ragged),
        **_sessions(events, ragged),
        **_amounts(events, ragged, extras),
        **_texts(events, ragged, extras),
    }


def _seconds(events: pa.Table, column: str) -> np.ndarray:
    """Seconds since 1970, nan where absent."""
    micros = events[column].cast(pa.int64()).to_numpy()
    return micros / 1e6


def _numbers(events: pa.Table, column: str) -> np.ndarray:
    return np.asarray(events[column].cast(pa.float64()).to_numpy(), np.float64)


def _codes(events: pa.Table, column: str) -> np.ndarray:
    """int64 (events,): equal values get equal codes, 0 where absent."""
    indices = events[column].combine_chunks().dictionary_encode().indices
    return pc.fill_null(pc.add(indices.cast(pa.int64()), 1), 0).to_numpy()


def _marks(events: pa.Table, column: str) -> np.ndarray:
    return events[column].to_numpy()


def _changes(column: pa.ChunkedArray, otherwise: np.ndarray) -> np.ndarray:
    """bool (events,): whether the value differs from the one before; `otherwise` tells where either is absent."""
    values = column.combine_chunks()
    changes = pc.fill_null(pc.not_equal(values[1:], values[:-1]), pa.array(otherwise[1:]))
    return np.concatenate([otherwise[:1], changes.to_numpy(zero_copy_only=False)])


def _signed_log(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


def _since(events: pa.Table, column: str) -> np.ndarray:
    """Seconds from then to the event, nan where absent."""
    return _seconds(events, "event_time") - _seconds(events, column)


def _timing(events: pa.Table, ragged: Ragged) -> dict[str, np.ndarray]:
    time, gap = _seconds(events, "event_time"), np.log1p(_since(events, "previous_event_time"))
    gaps = Running(ragged, gap)
    hour = 2 * np.pi * (time % DAY_SECONDS) / DAY_SECONDS
    weekday = 2 * np.pi * ((time // DAY_SECONDS) % 7) / 7
    return {
        "ordinal": np.log1p(_numbers(events, "ordinal")),
        "account_age": np.log1p(_since(events, "first_event_time")),
        "gap": gap,
        "gap_mean": gaps.mean(),
        "gap_std": gaps.std(),
        "gap_min": gaps.min(),
        "gap_max": gaps.max(),
        "hour_sin": np.sin(hour),
        "hour_cos": np.cos(hour),
        "weekday_sin": np.sin(weekday),
        "weekday_cos": np.cos(weekday),
        "closes_day": _numbers(events, "closes_day"),
    }


def _rhythm(events: pa.Table, ragged: Ragged) -> dict[str, np.ndarray]:
    time = _seconds(events, "event_time")
    seconds = time - time[ragged.starts] if len(time) else time
    recent = {f"events_in_{name}": np.log1p(ragged.recent(seconds, span)) for name, span in RECENT.items()}
    same_type = _marks(events, "same_type")
    kinds = ragged.sum(ragged.first(_codes(events, "event_type")))
    return {**recent, "same_type": same_type, "same_type_share": ragged.share(same_type), "distinct_types": kinds}


def _items(events: pa.Table, ragged: Ragged) -> dict[str, np.ndarray]:
    visit, same = _numbers(events, "item_visit"), _marks(events, "same_item")
    new = np.where(np.isnan(visit), np.nan, visit == 1)
    codes = _codes(events, "item_id")
    met = ragged.sum(ragged.first(codes) & (codes > 0))
    run = np.arange(len(same)) - ragged.since(~same)
    popularity, people = np.log1p(_numbers(events, "item_events")), np.log1p(_numbers(events, "item_users"))
    gap = np.log1p(_since(events, "item_other_time"))
    bad = np.log1p(_numbers(events, "item_bad_users"))
    popularities, gaps, badness = Running(ragged, popularity), Running(ragged, gap), Running(ragged, bad)
    alone = Running(ragged, np.where(np.isnan(visit), np.nan, np.isnan(gap)))
    return {
        "same_item": same,
        "same_item_run": np.log1p(run),
        "same_item_share": ragged.share(same),
        "item_new": new,
        "item_visit": np.log1p(visit),
        "item_revisit_share": Running(ragged, 1 - new).mean(),
        "distinct_items": np.log1p(met),
        "items_per_event": met / ragged.counts,
        "item_events": popularity,
        "item_events_mean": popularities.mean(),
        "item_events_max": popularities.max(),
        "item_users": people,
        "item_users_mean": Running(ragged, people).mean(),
        "item_gap": gap,
        "item_gap_mean": gaps.mean(),
        "item_gap_min": gaps.min(),
        "item_gap_max": gaps.max(),
        "item_gap_std": gaps.std(),
        "item_alone_share": alone.mean(),
        "item_bad_users": bad,
        "item_bad_users_mean": badness.mean(),
        "item_bad_users_std": badness.std(),
        "item_bad_users_max": badness.max(),
    }


def _sessions(events: pa.Table, ragged: Ragged) -> dict[str, np.ndarray]:
    """A session ends where the shop says so or, where it names none, after SESSION_GAP seconds of silence."""
    time = _seconds(events, "event_time")
    silent = ~(_since(events, "previous_event_time") <= SESSION_GAP)
    new = _changes(events["session_id"], otherwise=silent) | (ragged.positions == 0)
    opened = ragged.since(new)
    sessions = ragged.sum(new)
    return {
        "session_events": np.log1p(np.arange(len(time)) - opened + 1),
        "session_age": np.log1p(time - time[opened]) if len(time) else time,
        "sessions": np.log1p(sessions),
        "events_per_session": np.log1p(ragged.counts / sessions),
    }


def _amounts(events: pa.Table, ragged: Ragged, extras: Mapping[str, Kind]) -> dict[str, np.ndarray]:
    features = {}
    for column in ["amount", *(name for name, kind in extras.items() if kind is Kind.NUMERIC)]:
        amount = _signed_log(_numbers(events, column))
        amounts = Running(ragged, amount)
        features |= {
            column: amount,
            f"{column}_mean": amounts.mean(),
            f"{column}_std": amounts.std(),
            f"{column}_max": amounts.max(),
        }
    return features


def _texts(events: pa.Table, ragged: Ragged, extras: Mapping[str, Kind]) -> dict[str, np.ndarray]:
    features = {}
    for column in (name for name, kind in extras.items() if kind is Kind.TEXT):
        codes = _codes(events, column)
        length = np.log1p(pc.utf8_length(events[column]).cast(pa.float64()).to_numpy())
        repeated = np.where(codes > 0, ~ragged.first(codes), np.nan)
        features |= {
            f"{column}_length": length,
            f"{column}_length_mean": Running(ragged, length).mean(),
            f"{column}_repeated": repeated,
            f"{column}_repeated_share": Running(ragged, repeated).mean(),
        }
    return features
