"""A protocol's split -> folds, checked."""

from ml.comparison.event_folds import cut_event_folds
from ml.comparison.fold import Fold
from ml.comparison.history import History
from ml.comparison.protocol import Protocol
from ml.comparison.user_folds import cut_user_folds
from ml.errors import TrailguardError

FEWEST = 100  # users or events, all slices together


class TooFewJudged(TrailguardError):
    """A comparison needs at least 100 users or events, and anomalous and good ones in each slice of each fold.

    Take a longer history, longer folds or fewer of them.
    """


def cut_folds(history: History, protocol: Protocol) -> list[Fold]:
    """The protocol's folds, oldest first. Raises TooFewJudged, naming fold and slice."""
    cut = {"users": cut_user_folds, "events": cut_event_folds}[protocol.predict]
    folds = list(cut(history, protocol))
    for fold in folds:
        everything = sum(counts["judged"] for counts in fold.counts().values())
        for name, counts in fold.counts().items():
            if everything < FEWEST or not 0 < counts["anomalous"] < counts["judged"]:
                raise TooFewJudged(fold=fold.name, slice=name, **counts, in_all_slices=everything)
    return folds
