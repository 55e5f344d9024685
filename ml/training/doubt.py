"""What a label that may be wrong still says, beside the opinion of a model that has not seen it."""

import numpy as np

SUREST = 1e-3  # an opinion is kept this far from 0 and 1
MOST_WRONG = 0.45  # labels of which half are wrong say nothing


def share_wrong(opinions: np.ndarray, labels: np.ndarray) -> float:
    """The share of labels that are wrong, whichever way, at most MOST_WRONG.

    opinions: float64 (users,), the probability that each is called anomalous, by models that have not learned from
    their label. labels: (users,), 0 or 1.
    Formula: where w of the labels are wrong, a model that errs nowhere else says w or 1 - w, and opinions and labels
    contradict each other by 2w(1 - w). Real ones err elsewhere as well, so that labels are doubted rather too much than
    too little; taken from the surest opinions alone, it is fooled by whatever gives a label away.
    """
    contradiction = float(np.abs(labels - opinions).mean())
    return min((1 - np.sqrt(max(0.0, 1 - 2 * contradiction))) / 2, MOST_WRONG)


def see_through(opinions: np.ndarray, wrong: float) -> np.ndarray:
    """float64 (users,): how probably each is anomalous, given how probably they are called so; wrong: below 0.5."""
    return np.clip((opinions - wrong) / (1 - 2 * wrong), 0, 1)


def believe(opinions: np.ndarray, labels: np.ndarray, wrong: float) -> np.ndarray:
    """float64 (users,): the probability that each user is anomalous, given opinion and label.

    opinions: float64 (users,), that each is anomalous, by models that have not learned from the user's label. labels:
    (users,), 0 or 1. wrong: the share of either kind that are. Formula: Bayes, with the opinion as the prior.
    """
    prior = np.clip(opinions, SUREST, 1 - SUREST)
    anomalous = prior * np.where(labels == 1, 1 - wrong, wrong)
    good = (1 - prior) * np.where(labels == 1, wrong, 1 - wrong)
    return anomalous / (anomalous + good)
