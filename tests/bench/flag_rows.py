"""Flags of any number, with scores and reasons as a run gives them, and what the lake answers about them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.flags import FLAG_SCHEMA, ScoringRun, State
from tests.flag_rows import THRESHOLD

REASONS = ("pace", "event_mix", "session_shape")


def many_flags(run: ScoringRun, first_user: int, count: int) -> pa.Table:
    """FLAG_SCHEMA: users numbered from `first_user`, in no order, all active, the highest score first."""
    random = np.random.default_rng(run.interval.start.toordinal())
    facts = {name: fact for name, fact in vars(run).items() if name in FLAG_SCHEMA.names}
    facts |= {"interval_start": run.interval.start, "interval_end": run.interval.end, "state": State.ACTIVE}
    own = {
        "user_id": _user_ids(first_user + random.permutation(count)),
        "score": np.sort(random.uniform(THRESHOLD.value, 1, count))[::-1],
        "rank": np.arange(1, count + 1),
        "reason_codes": _reasons(random, count),
    }
    same = {name: pa.repeat(pa.scalar(fact, FLAG_SCHEMA.field(name).type), count) for name, fact in facts.items()}
    return pa.table({name: (own | same)[name] for name in FLAG_SCHEMA.names}).cast(FLAG_SCHEMA)


def every_second_below(_run: ScoringRun, users: pa.Array) -> pa.Table:
    """A lake that scored every second of the users asked for, below the threshold."""
    below = users.take(pa.array(np.arange(0, len(users), 2)))
    return pa.table({"user_id": below, "score": pa.repeat(0.1, len(below))})


def _user_ids(numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise("C", pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0"), "")


def _reasons(random: np.random.Generator, count: int) -> pa.Array:
    """JSON of three reasons for each user."""

    def figure(largest: float) -> pa.Array:
        return pa.array(random.uniform(0, largest, count).round(3)).cast(pa.string())

    listed = [
        pc.binary_join_element_wise(
            f'{{"code": "{code}", "contribution": ', figure(9), ', "value": "', figure(200),
            ' events an hour", "typical": "', figure(9), ' events an hour"}', "",
        )
        for code in REASONS
    ]  # fmt: skip
    return pc.binary_join_element_wise("[", pc.binary_join_element_wise(*listed, ", "), "]", "")
