"""The moments at which a user is scored when a model is judged."""

from collections.abc import Iterable

import numpy as np

from ml.sequences.sequences import Sequences

PREFIXES = (3, 5, 10)
ALL = "all"
DAY = "day"
VIEWS = (*(str(prefix) for prefix in PREFIXES), ALL)


def cut_views(
    sequences: Sequences, window: int, prefixes: Iterable[int | str] = (*PREFIXES, ALL)
) -> dict[str, Sequences]:
    """View -> what is known of each user then; the score asked for is the one at each sequence's last event.

    "3", "5", "10": right after so many events; a user with fewer is seen whole, as both models see them.
    "all": the newest window.
    """
    return {str(prefix): sequences.newest(window) if prefix == ALL else sequences.prefix(prefix) for prefix in prefixes}


def last_targets(sequences: Sequences) -> np.ndarray:
    """int8 (users,): the target at each user's last event."""
    return sequences.events["target"].to_numpy()[sequences.last_rows]
