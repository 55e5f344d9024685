"""The highest score that a daily run would ever have given a user.

A threshold flags a user exactly when their peak reaches it, so this is what its promises are counted on: users are
independent draws, the days of one user are not.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ml.calibration.candidate import Labelled
from ml.contracts.scores import Evidence
from ml.errors import ExitCode, TrailguardError
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences


class NobodyProves(TrailguardError):
    """A threshold rests on users whose labels have matured, some to propose it and others to prove it.

    Take a later as_of, or an earlier since.
    """

    exit_code = ExitCode.ABSENT


@dataclass(frozen=True)
class Peaks:
    """Users in the order in which they were first seen; those who never got a score are left out.

    scores: float64 (users,). labels: int8 (users,), 1 where the user was anomalous by the day of their peak.
    first_seen: datetime64[us] (users,), UTC.
    """

    scores: np.ndarray
    labels: np.ndarray
    first_seen: np.ndarray

    @classmethod
    def of(cls, scorer: Scorer, sequences: Sequences) -> "Peaks":
        """sequences: with `target`, from each user's first event on; as many as the window holds are looked at."""
        seen = sequences.first(scorer.featurizer.window)
        steps = scorer.featurizer.transform(seen)
        days = np.flatnonzero(seen.events["closes_day"].to_numpy())
        days = days[scorer.evidence.judge_at(steps, days) == Evidence.SUFFICIENT]
        logits, users = scorer.model.logits(steps)[days], seen.row_users[days]
        order = np.lexsort((-logits, users))
        best = order[np.unique(users[order], return_index=True)[1]]
        first_seen = seen.events["first_event_time"].to_numpy().astype("datetime64[us]")[days[best]]
        by_time = np.argsort(first_seen, kind="stable")
        rows = best[by_time]
        targets = seen.events["target"].to_numpy()[days[rows]]
        return cls(scorer.calibration.probability(logits[rows]), targets, first_seen[by_time])

    def since(self, moment: datetime) -> "Peaks":
        """Of the users first seen from that moment on."""
        kept = self.first_seen >= np.datetime64(moment.replace(tzinfo=None), "us")
        return replace(self, **{name: values[kept] for name, values in vars(self).items()})

    def split(self) -> tuple[Labelled, Labelled]:
        """The users who propose a threshold, and the later ones who prove it. Raises NobodyProves."""
        earlier, later = Labelled(self.scores, self.labels).split()
        if not len(earlier.scores):
            raise NobodyProves(users=len(self.scores))
        return earlier, later
