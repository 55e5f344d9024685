"""A fold whose labels are doubted."""

from ml.comparison.belief import remember
from ml.comparison.material import Material
from ml.models.boosting import Table, search
from ml.training.doubt import ask_others, believe, share_wrong


def doubt(material: Material, seed: int) -> tuple[Material, float]:
    """The same users and targets, items' record by labels that are believed, and how many of the labels are wrong.

    Opinions are of LightGBM on all that users did.
    """
    view = material.question.views[-1]
    training, held = (Table(*views[view].table) for views in (material.training_views, material.validation_views))
    chosen = search(training, held, seed=seed, at_once=2).chosen
    asked = material.whole.training_views[view]
    opinions = ask_others(Table(*asked.table), chosen, seed=seed)
    wrong = share_wrong(opinions, asked.targets)
    return remember(material, believe(opinions, asked.targets, wrong)), wrong
