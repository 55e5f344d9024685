"""How many labels are wrong, and which: told by models that have not seen them."""

import os
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ml.models.boosting import Table, regrow, search

PARTS = 5  # of the users; the opinion of each is of a booster that has learned from the others
MOST_WRONG = 0.45  # labels of which half are wrong say nothing
SUREST = 1e-3  # an opinion is kept this far from 0 and 1


class Doubts(NamedTuple):
    """opinions: how probably each user is called anomalous, by what others are called. wrong: the share of labels that
    are. beliefs: how probably each user is anomalous. Both float64 (users,)."""

    opinions: np.ndarray
    wrong: float
    beliefs: np.ndarray


def doubt_labels(training: Table, validation: Table, users: Table, *, seed: int) -> Doubts:
    """training, validation: by which the boosters are chosen. users: a row for each whose label is doubted."""
    chosen = search(training, validation, seed=seed, at_once=os.cpu_count() or 1).chosen
    opinions = ask_others(users, chosen, seed=seed)
    wrong = share_wrong(opinions, users.targets)
    return Doubts(opinions, wrong, believe(opinions, users.targets, wrong))


def ask_others(users: Table, chosen: dict[str, float], *, seed: int) -> np.ndarray:
    """float64 (users,): how probably each is called anomalous, by what the others are called.

    users: a row for each. chosen: of the boosters, see ml.models.boosting.
    """
    opinions = np.empty(len(users.targets))
    dealt = StratifiedKFold(PARTS, shuffle=True, random_state=seed).split(users.columns, users.targets)
    for others, judged in dealt:
        booster = regrow(Table(users.columns[others], users.targets[others]), chosen, seed=seed)
        opinions[judged] = booster.predict(users.columns[judged])
    return opinions


def share_wrong(opinions: np.ndarray, labels: np.ndarray) -> float:
    """The share of labels that are wrong, whichever way, at most MOST_WRONG.

    opinions: float64 (users,), the probability that each is called anomalous, by models that have not learned from
    their label. labels: (users,), 0 or 1.
    Formula: where w of the labels are wrong, a model that errs nowhere else says w or 1 - w, and opinions and labels
    contradict each other by 2w(1 - w). Real ones err elsewhere as well, so that labels are doubted rather too much than
    too little; taken from the surest opinions alone, it is fooled by whatever gives a label away.
    """
    contradiction = float(np.abs(labels - opinions).mean())
    return min((1 - float(np.sqrt(max(0.0, 1 - 2 * contradiction)))) / 2, MOST_WRONG)


def believe(opinions: np.ndarray, labels: np.ndarray, wrong: float) -> np.ndarray:
    """float64 (users,): the probability that each user is anomalous, given opinion and label.

    opinions, labels: as for `share_wrong`. wrong: the share of either kind of label that is, below 0.5.
    Formula: Bayes. The prior is the opinion, seen through: a user who is called anomalous with probability p is so with
    (p - wrong) / (1 - 2 wrong).
    """
    prior = np.clip((opinions - wrong) / (1 - 2 * wrong), SUREST, 1 - SUREST)
    anomalous = prior * np.where(labels == 1, 1 - wrong, wrong)
    good = (1 - prior) * np.where(labels == 1, wrong, 1 - wrong)
    return anomalous / (anomalous + good)


def contradicted(labels: np.ndarray, beliefs: np.ndarray) -> np.ndarray:
    """bool (users,): who is believed to be other than they are called."""
    return (beliefs > 0.5) != (labels == 1)
