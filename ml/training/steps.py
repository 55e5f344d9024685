"""What the model is fitted to: every step's inputs, target and weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.evaluation.views import ALL, PREFIXES
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences

BASE_WEIGHT = 0.02  # of a step at which nobody asks for a score


@dataclass(frozen=True)
class TargetedSteps:
    """Each event with what the model should say there, and how much that matters.

    steps: the inputs. targets: float32 (events,). closes_day: bool (events,).
    open_weights, closed_weights: float32 (events,), of a step shown as it looked at its event, and as it looked once
        its day was over; the latter is 0 where the day went on.
    """

    steps: Steps
    targets: np.ndarray
    closes_day: np.ndarray
    open_weights: np.ndarray
    closed_weights: np.ndarray

    @property
    def imbalance(self) -> float:
        """What good users weigh beside anomalous ones; 1 where there are none of either."""
        weights = self.open_weights + self.closed_weights
        anomalous, good = float(weights @ self.targets), float(weights @ (1 - self.targets))
        return good / anomalous if anomalous > 0 and good > 0 else 1.0


def both_ends(sequences: Sequences, window: int) -> Sequences:
    """The users' first windows and, of users whose trail is longer, their newest windows, as sequences of their own."""
    first, newest = sequences.first(window), sequences.newest(window)
    began_later = newest.events["ordinal"].to_numpy()[newest.offsets[:-1]] > 1
    return Sequences.concat([first, newest.keep(began_later[newest.row_users]).renamed("newest")])


def targeted_steps(
    sequences: Sequences, featurizer: Featurizer, prefixes: Sequence[int | str] = PREFIXES
) -> TargetedSteps:
    """sequences: with `target`, as in a snapshot. prefixes: see `cut_views`.

    A step weighs where scores are asked for: right after so many events, and at the end of a day, most of all of a
    user's last. The weights of a user sum to 1 on average.
    """
    events = sequences.events
    closes_day = events["closes_day"].to_numpy()
    opened = BASE_WEIGHT + times_asked(sequences, prefixes)
    closed = np.where(closes_day, BASE_WEIGHT + _last(sequences), 0.0)
    scale = len(sequences) / (opened + closed).sum()
    return TargetedSteps(
        featurizer.transform(sequences),
        events["target"].to_numpy().astype(np.float32),
        closes_day,
        (opened * scale).astype(np.float32),
        (closed * scale).astype(np.float32),
    )


def weigh_users(data: TargetedSteps, sequences: Sequences, weights: Mapping[str, float]) -> TargetedSteps:
    """The same, each user weighing so many times as much; those who are not named as before.

    sequences: of `both_ends`, that the data was made of. weights: user id -> factor.
    """
    users = [weights.get(user, 1.0) for user in sequences.original_ids]
    factor = np.array(users, np.float32)[sequences.row_users]
    return replace(data, open_weights=data.open_weights * factor, closed_weights=data.closed_weights * factor)


def times_asked(sequences: Sequences, prefixes: Sequence[int | str] = PREFIXES) -> np.ndarray:
    """int64 (events,): how often a score is asked for right at an event, its day not yet over. prefixes: see
    `cut_views`."""
    events = sequences.events
    prefix = np.isin(events["ordinal"].to_numpy(), [prefix for prefix in prefixes if prefix != ALL])
    return prefix.astype(np.int64) + (_last(sequences) & ~events["closes_day"].to_numpy())


def _last(sequences: Sequences) -> np.ndarray:
    """bool (events,): whether it is its user's last."""
    last = np.zeros(sequences.events.num_rows, bool)
    last[sequences.last_rows] = True
    return last


def weighed_steps(sequences: Sequences, featurizer: Featurizer, asked: np.ndarray) -> TargetedSteps:
    """The same where scores are asked for at single events. asked: bool (events,).

    At an event nobody knows yet whether its user will do more that day: `closes_day` has to be False throughout.
    """
    weights = (asked * (len(sequences) / max(1, asked.sum()))).astype(np.float32)
    never = np.zeros(len(asked), bool)
    targets = sequences.events["target"].to_numpy().astype(np.float32)
    return TargetedSteps(featurizer.transform(sequences), targets, never, weights, np.zeros_like(weights))
