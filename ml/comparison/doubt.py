"""A fold whose labels are doubted."""

from ml.comparison.belief import remember
from ml.comparison.material import Material
from ml.training.doubt import doubt_labels


def doubt(material: Material, seed: int) -> tuple[Material, float]:
    """The same users and targets, items' record by labels that are believed, and how many of the labels are wrong.

    Opinions are of LightGBM on all that users did.
    """
    view = material.question.views[-1]
    parts = (material.training_views, material.validation_views, material.whole.training_views)
    doubts = doubt_labels(*(views[view].table for views in parts), seed=seed)
    return remember(material, doubts.beliefs), doubts.wrong
