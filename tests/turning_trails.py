"""Trails without labels that hold something to learn: each user goes through the same three kinds of event in turn, at
a pace of their own."""

import numpy as np

from ml.sequences.features import Featurizer, Steps

WINDOW = 16
KINDS = ["view", "cart", "order"]
NUMBERS = ("gap", "amount", "events_so_far")  # the last one is an aggregate
FEATURIZER = Featurizer(
    {}, WINDOW, {"event_type": KINDS}, [], dict.fromkeys(NUMBERS, 0.0), dict.fromkeys(NUMBERS, 1.0), []
)


def turning_trails(users: int, seed: int) -> Steps:
    """1 to WINDOW steps each; now and then, a kind is drawn instead."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, WINDOW + 1, users)
    lengths[:2] = 1, WINDOW
    offsets = np.append(0, np.cumsum(lengths))
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    pace = np.repeat(rng.normal(size=users), lengths)
    turn = (position + np.repeat(rng.integers(0, 3, users), lengths)) % 3
    kind = np.where(rng.random(len(turn)) < 0.05, rng.integers(0, 3, len(turn)), turn)
    numeric = np.stack([pace + 0.3 * rng.normal(size=len(turn)), kind - 1.0, np.log1p(position)], axis=1)
    return Steps(numeric.astype(np.float32), (kind + 2).astype(np.int32)[:, None], offsets)
