"""A second look at single events, at the company that they keep: what a first look thought of others."""

import os
import zlib
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.material import Asked, Material
from ml.models.boosting import Table, regrow, search
from ml.models.columns import event_columns
from ml.models.company import company_columns
from ml.sequences.features import Featurizer

PARTS = 5  # of the users; each is first looked at by the booster that has not learned from them


@dataclass(frozen=True)
class SecondLook:
    """Boosted trees on the baseline's columns and the company's.

    types: of the events that are judged, which alone are company. first: a booster for each part of the users, grown
    without them. second: on all columns. chosen: of the first and of the second, see ml.models.boosting.
    """

    featurizer: Featurizer
    types: pa.Array
    first: tuple[lightgbm.Booster, ...]
    second: lightgbm.Booster
    chosen: tuple[dict[str, float], dict[str, float]]

    def logits(self, view: str, asked: Asked) -> np.ndarray:
        return self.second.predict(_look_twice(self.featurizer, self.types, self.first, asked), raw_score=True)

    def refit(self, material: Material, seed: int) -> "SecondLook":
        """As chosen, on all users."""
        (asked,) = material.whole.training_views.values()
        first = _grow_parts(asked, self.chosen[0], seed)
        columns = _look_twice(self.featurizer, self.types, first, asked)
        second = regrow(Table(columns, asked.targets), self.chosen[1], seed=seed)
        return replace(self, first=first, second=second)


def fit_second_look(material: Material, seed: int) -> SecondLook:
    """The validation events choose and stop each look."""
    ((asked,), (held,)) = material.training_views.values(), material.validation_views.values()
    featurizer, cores = material.featurizer, os.cpu_count() or 1
    types = pc.unique(asked.trails.events["event_type"].take(pa.array(asked.rows)))
    chosen = search(asked.table, held.table, seed=seed, at_once=cores).chosen
    first = _grow_parts(asked, chosen, seed)
    tables = (Table(_look_twice(featurizer, types, first, each), each.targets) for each in (asked, held))
    second = search(*tables, seed=seed, at_once=cores)
    return SecondLook(featurizer, types, first, second.booster, (chosen, second.chosen))


def _grow_parts(asked: Asked, chosen: dict[str, float], seed: int) -> tuple[lightgbm.Booster, ...]:
    part = _parts(asked)[asked.rows]
    return tuple(
        regrow(Table(asked.columns[part != number], asked.targets[part != number]), chosen, seed=seed)
        for number in range(PARTS)
    )


def _parts(asked: Asked) -> np.ndarray:
    """int64 (events,): each user's part, the same in every slice."""
    users = [zlib.crc32(user.encode()) % PARTS for user in asked.trails.user_ids.to_pylist()]
    return np.asarray(users, np.int64)[asked.trails.row_users]


def _look_twice(
    featurizer: Featurizer, types: pa.Array, first: tuple[lightgbm.Booster, ...], asked: Asked
) -> np.ndarray:
    """float32 (asked, columns): the asked events' own columns and their company's."""
    events, users = asked.trails.events, asked.trails.row_users
    rows = np.flatnonzero(pc.is_in(events["event_type"], value_set=types).to_numpy())
    columns, part = event_columns(asked.steps, rows, featurizer), _parts(asked)[rows]
    logits = np.empty(len(rows))
    for number, booster in enumerate(first):
        mine = part == number
        logits[mine] = booster.predict(columns[mine], raw_score=True)
    items = pc.fill_null(events["item_id"].combine_chunks().dictionary_encode().indices, -1).to_numpy()
    times = events["event_time"].cast(pa.int64()).to_numpy() / 1e6
    company = company_columns(users[rows], items[rows].astype(np.int64), times[rows], logits)
    kept = np.searchsorted(rows, asked.rows)
    return np.concatenate([columns[kept], company[kept]], axis=1)
