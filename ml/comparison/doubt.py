"""A fold whose labels are doubted: each user counts as anomalous as far as label and others' opinion make it likely."""

import numpy as np

from ml.comparison.belief import believe_in
from ml.comparison.fold import deal_users
from ml.comparison.material import Material
from ml.models.boosting import Table, regrow, search
from ml.training.doubt import believe

PARTS = 5  # of the users; the opinion of each is of a booster that has learned from the others


def doubt(material: Material, seed: int) -> Material:
    """The same users and features, targets between 0 and 1. Opinions are of LightGBM on all that users did."""
    view = material.question.views[-1]
    asked = material.whole.training_views[view]
    beliefs = believe(_opinions(material, view, seed), asked.targets)
    return believe_in(material, asked.named["user_id"].combine_chunks(), beliefs)


def _opinions(material: Material, view: str, seed: int) -> np.ndarray:
    """float64 (users,), of `material.whole`."""
    training, held = (Table(*views[view].table) for views in (material.training_views, material.validation_views))
    chosen = search(training, held, seed=seed, at_once=2).chosen
    columns, targets = material.whole.training_views[view].table
    parts, opinions = deal_users(targets, PARTS, seed), np.empty(len(targets))
    for part in range(PARTS):
        others = Table(columns[parts != part], targets[parts != part])
        opinions[parts == part] = regrow(others, chosen, seed=seed).predict(columns[parts == part])
    return opinions
