"""Which users' labels would teach a model most: those it is unsure of, and no two of them alike.

BADGE (J. Ash et al., "Deep batch active learning by diverse, uncertain gradient lower bounds", ICLR 2020): k-means++
over the gradients that each user's likelier label would give a last layer, which are long where the model is unsure and
point elsewhere where users differ. docs/experiments.md says what it was chosen over.
"""

import numpy as np
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge
from skactiveml.utils import MISSING_LABEL

CANDIDATES = 5000  # the least certain users, among whom the choice is made: however many there are, it takes seconds


class KnownProbabilities(SkactivemlClassifier):
    """What was scored already: each row is a user's inputs and, last, their probability of being anomalous."""

    def __init__(self, classes=None, missing_label=MISSING_LABEL, cost_matrix=None, random_state=None):
        super().__init__(classes, missing_label, cost_matrix, random_state)

    def fit(self, X, y, sample_weight=None):  # noqa: N803 (the library's name)
        return self

    def predict_proba(self, X):  # noqa: N803
        """Probabilities (users, 2) and, as Badge asks for them, the inputs."""
        return np.column_stack([1 - X[:, -1], X[:, -1]]), X[:, :-1]


def find_unsure(probability: np.ndarray, count: int) -> np.ndarray:
    """int64 (at most count,): the users whose probability is closest to a half, the least certain first.

    probability: float64 (users,).
    """
    return np.argsort(np.abs(probability - 0.5), kind="stable")[:count]


def choose_users(inputs: np.ndarray, probability: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """int64 (at most count,): different users, the first to ask about first.

    inputs: float (users, inputs), standardised. probability: float64 (users,).
    """
    unsure = find_unsure(probability, CANDIDATES)
    if len(unsure) <= count:
        return unsure
    rows = np.column_stack([inputs, probability])[unsure].astype(np.float64)
    unlabelled, model = np.full(len(rows), MISSING_LABEL), KnownProbabilities(classes=[0, 1])
    chosen = Badge(random_state=seed).query(rows, unlabelled, model, fit_clf=False, batch_size=count)
    return unsure[chosen]
