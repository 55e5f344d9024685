"""A protocol's split -> folds, checked."""

from dataclasses import replace

import numpy as np

from ml.comparison.event_folds import cut_event_folds
from ml.comparison.fold import SPLIT_SEED, Fold
from ml.comparison.history import History
from ml.comparison.protocol import Protocol
from ml.comparison.slices import Slice
from ml.comparison.told import tell
from ml.comparison.user_folds import cut_user_folds
from ml.errors import TrailguardError

FEWEST = 100  # users or events, all slices together


class TooFewJudged(TrailguardError):
    """A comparison needs at least 100 users or events, and anomalous and good ones in each slice of each fold; in
    training only good ones where it learns from them alone.

    Take a longer history, longer folds or fewer of them.
    """


def cut_folds(history: History, protocol: Protocol, seed: int = 0) -> list[Fold]:
    """The protocol's folds, oldest first. seed: of which labels training is told. Raises TooFewJudged, naming fold and
    slice."""
    if protocol.predict == "events":
        folds = list(cut_event_folds(history, protocol))
    else:
        folds = list(cut_user_folds(tell(history, protocol, seed), history, protocol))
    if protocol.balanced_test:
        folds = [replace(fold, test=_balance(fold.test)) for fold in folds]
    for fold in folds:
        everything = sum(counts["judged"] for counts in fold.counts().values())
        for name, counts in fold.counts().items():
            fewest = 0 if protocol.learn_from == "good" and name != "test" else 1
            if everything < FEWEST or not fewest <= counts["anomalous"] < counts["judged"]:
                raise TooFewJudged(fold=fold.name, slice=name, **counts, in_all_slices=everything)
    return folds


def _balance(test: Slice) -> Slice:
    """As many good as anomalous users: all of the fewer, and of the others some drawn at random."""
    rng = np.random.default_rng(SPLIT_SEED)
    users = [rng.permutation(np.flatnonzero(test.labels == label)) for label in (0, 1)]
    kept = np.zeros(len(test.labels), bool)
    kept[np.concatenate([of_label[: min(map(len, users))] for of_label in users])] = True
    return test.keep(kept)
