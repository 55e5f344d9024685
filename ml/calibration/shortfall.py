"""What is missing where no threshold keeps the policy."""

from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ml.calibration.candidate import Candidate
from ml.calibration.policy import Policy

MOST_USERS = 10_000_000
STEP = 1.02  # from one number of users to the next


@dataclass(frozen=True)
class Shortfall:
    """Of the most promising candidate, on the users who should have proved it.

    users_needed: as many users with a matured label would prove it, were their rates the same; None where more labels
    do not help, since a rate itself is on the wrong side.
    """

    candidate: Candidate
    policy: Policy
    users_needed: int | None

    @classmethod
    def of(cls, candidate: Candidate, policy: Policy) -> "Shortfall":
        return cls(candidate, policy, _users_needed(candidate, policy))

    def __str__(self) -> str:
        """For the person who decides."""
        rates, bounds = self.candidate.rates, self.candidate.bounds(self.policy)
        unproven = [name for name, p in self.candidate.p_values(self.policy).items() if p > self.policy.risk]
        found = ", ".join(
            f"{name.replace('_', ' ')} {rates[name]:.3f} and perhaps {bounds[name]:.3f}" for name in unproven
        )
        return (
            f"No threshold keeps {self.policy} with {self.policy.confidence:.0%} confidence. Nearest is "
            f"{self.candidate.value:.3f}: {found} of {self.candidate.users} users, {self.candidate.flagged} of them "
            f"flagged. {self._remedy()}"
        )

    def _remedy(self) -> str:
        if self.users_needed is None:
            return "More labels would not prove it: the model must become better, or the policy milder."
        return f"About {self.users_needed} users with a matured label would prove it, were their rates the same."


def _users_needed(candidate: Candidate, policy: Policy) -> int | None:
    sizes = candidate.users * STEP ** np.arange(1, 1000)
    for users in takewhile(lambda size: size <= MOST_USERS, np.ceil(sizes).astype(int)):
        if _grown(candidate, int(users)).p_value(policy) <= policy.risk:
            return int(users)
    return None


def _grown(candidate: Candidate, users: int) -> Candidate:
    """The same rates among more users."""
    anomalous, flagged, hits = (
        round(count * users / candidate.users) for count in (candidate.anomalous, candidate.flagged, candidate.hits)
    )
    return Candidate(candidate.value, users, anomalous, flagged, min(hits, flagged, anomalous))
