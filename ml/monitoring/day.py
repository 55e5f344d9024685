"""What a model saw on one day, and what it said: the material of drift."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.contracts.intervals import Interval
from ml.contracts.scores import Evidence
from ml.scoring.scorer import Scorer
from ml.scoring.shards import count_users
from ml.sequences.build import Selection, stream_sequences

MOST_USERS = 5_000  # of a day that are looked at; a share of one in a hundred is then known to 0.3 points


@dataclass(frozen=True)
class Day:
    """numbers, codes: feature -> (users,), the model's inputs at each user's last event of the day; numbers in
    standard deviations of training. scores: float64 (judged users,)."""

    numbers: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    scores: np.ndarray


def see_day(scorer: Scorer, events: Path, interval: Interval, *, at_once: int) -> Day:
    """Of the users who did something in the interval, or of an even share of them where there are many, always the
    same ones. Raises InputAbsent."""
    shard = (0, max(1, math.ceil(count_users(events, interval) / MOST_USERS)))
    wanted = Selection(interval.end, scorer.featurizer.window, active_in=interval, shard=shard)
    numeric, categorical, scores = [], [], []
    for part in stream_sequences(events, wanted, at_once=at_once):
        steps = scorer.featurizer.transform(part)
        judged, last = scorer.judge(steps), steps.offsets[1:] - 1
        numeric.append(steps.numeric[last])
        categorical.append(steps.categorical[last])
        scores.append(judged.scores[judged.evidence == Evidence.SUFFICIENT])
    names = scorer.featurizer
    return Day(
        dict(zip(names.numeric_names, np.concatenate(numeric).T, strict=True)),
        dict(zip(names.categorical_names, np.concatenate(categorical).T, strict=True)),
        np.concatenate(scores),
    )
