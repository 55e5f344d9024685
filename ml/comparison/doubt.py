"""A fold whose labels are doubted: each user counts as anomalous as far as label and others' opinion make it likely."""

from functools import partial

import numpy as np

from ml.comparison.belief import believe_in
from ml.comparison.fold import deal_users
from ml.comparison.material import Material
from ml.models.boosting import Table, regrow, search
from ml.training.doubt import believe, see_through, share_wrong

PARTS = 5  # of the users; the opinion of each is of a booster that has learned from the others


def doubt(material: Material, seed: int) -> Material:
    """The same users, targets between 0 and 1. Opinions are of LightGBM on all that users did: of what they are called
    first, then of what that makes believable."""
    view = material.question.views[-1]
    training, held = (Table(*views[view].table) for views in (material.training_views, material.validation_views))
    chosen = search(training, held, seed=seed, at_once=2).chosen
    asked = material.whole.training_views[view]
    columns, labels = asked.table
    ask_others = partial(_ask_others, columns, deal_users(labels, PARTS, seed), chosen=chosen, seed=seed)
    called = ask_others(labels)
    wrong = share_wrong(called, labels)
    first = believe(see_through(called, wrong), labels, wrong)
    beliefs = believe(ask_others(first), labels, wrong)
    return believe_in(material, asked.named["user_id"].combine_chunks(), beliefs)


def _ask_others(
    columns: np.ndarray, parts: np.ndarray, targets: np.ndarray, *, chosen: dict[str, float], seed: int
) -> np.ndarray:
    """float64 (users,), each the opinion of a booster fitted to the other parts' targets."""
    opinions = np.empty(len(targets))
    for part in range(PARTS):
        others = Table(columns[parts != part], targets[parts != part])
        opinions[parts == part] = regrow(others, chosen, seed=seed).predict(columns[parts == part])
    return opinions
