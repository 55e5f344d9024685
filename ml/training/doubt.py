"""What a label that may be wrong still says, beside the opinion of a model that has not seen it."""

import numpy as np

SUREST = 1e-3  # an opinion is kept this far from 0 and 1


def believe(opinions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 (users,): the probability that each user is anomalous, given opinion and label.

    opinions: float64 (users,), probabilities of models that have not learned from the user's label. labels: (users,), 0
    or 1.
    Formula: Bayes, with the opinion as the prior and one rate for wrong labels of either kind: how often opinions and
    labels contradict each other. That is more than are wrong, since opinions err as well, so that labels are doubted
    rather too much than too little; taken from the surest opinions alone, it is fooled by whatever gives a label away.
    """
    prior = np.clip(opinions, SUREST, 1 - SUREST)
    wrong = float(np.abs(labels - prior).mean())
    anomalous = prior * np.where(labels == 1, 1 - wrong, wrong)
    good = (1 - prior) * np.where(labels == 1, wrong, 1 - wrong)
    return anomalous / (anomalous + good)
