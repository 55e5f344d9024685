"""What a score says where no anomalous user is known: how few good users score as high.

The conformal p-value of a score among n good users whom the model never saw is (1 + those who score as high) / (n + 1):
Bates, Candès, Lei, Romano, Sesia 2023, "Testing for outliers with conformal p-values", arXiv:2104.08279. Flagging where
it is at most FALSE_POSITIVES flags at most that share of good users on average, as long as they stay as they were.
"""

from dataclasses import dataclass

import numpy as np

FALSE_POSITIVES = 0.1  # PyOD's usual share of outliers; one number for every data set, since nothing can be tuned


@dataclass(frozen=True)
class GoodScores:
    """held: float64 (users,), ascending, of good users whom the model never saw."""

    held: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> "GoodScores":
        return cls(np.sort(scores))

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """float64 (users,), 1 less the p-value: about the share of good users who score lower, not the share of users
        with such a score who are anomalous."""
        return np.searchsorted(self.held, scores, side="left") / (len(self.held) + 1)

    @property
    def threshold(self) -> float:
        """The probability from which on users are flagged."""
        return 1 - FALSE_POSITIVES
