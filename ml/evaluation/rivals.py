"""Versions of the model against each other on the same users."""

from collections.abc import Mapping
from pathlib import Path

from ml.evaluation.metrics import Estimate, compare_models
from ml.evaluation.views import ALL, cut_views, last_targets
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences

SEED = 0  # of the bootstrap, so that a gate asked twice says the same


def compare_rivals(bundles: Mapping[str, Path], sequences: Sequences) -> dict[str, dict[str, Estimate]]:
    """name -> metric -> estimate over whole trails, and the first against each other.

    bundles: name -> folder, the challenger first. Each sees the trails through its own featurizer and window.
    """
    scores = {}
    for name, bundle in bundles.items():
        scorer = Scorer.load(bundle)
        seen = cut_views(sequences, scorer.featurizer.window)[ALL]
        scores[name] = scorer.model.last_logits(scorer.featurizer.transform(seen))
    return compare_models(scores, last_targets(seen), seed=SEED)
