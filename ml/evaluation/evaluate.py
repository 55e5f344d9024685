"""Ours beside LightGBM, both trained on the same users and asked about the same users, view by view."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ml.errors import TrailguardError
from ml.evaluation.metrics import compare_models, expected_calibration_error
from ml.evaluation.views import ALL, cut_views, last_targets
from ml.models.baseline import Baseline
from ml.scoring.scorer import Scorer
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences

OURS, BASELINE = "gru", "lightgbm"
Views = dict[str, tuple[Steps, np.ndarray]]  # view -> the steps in view, each user's target (users,)


class NobodyToJudge(TrailguardError):
    """A model can be judged only on users of both kinds.

    Take a later `until`, so that more labels have matured.
    """


def describe_views(featurizer: Featurizer, sequences: Sequences) -> Views:
    """sequences: both ends of each user's trail, with `target`."""
    cut = cut_views(sequences, featurizer.window)
    return {view: (featurizer.transform(seen), last_targets(seen)) for view, seen in cut.items()}


def evaluate(bundle: Path, sequences: Sequences, *, seed: int) -> dict[str, dict]:
    """model -> view -> metric -> {value, low, high}; the difference has a model's place, "gru - lightgbm".

    sequences: of users that neither model was trained on. Raises NobodyToJudge.
    """
    scorer, baseline = Scorer.load(bundle), Baseline.load(bundle / "baseline")
    views = describe_views(scorer.featurizer, sequences)
    found: dict[str, dict] = {}
    for view, (steps, targets) in views.items():
        if not 0 < targets.sum() < len(targets):
            raise NobodyToJudge(view=view, users=len(targets), anomalous=int(targets.sum()))
        scores = score_view(scorer, baseline, view, steps)
        for model, metrics in compare_models(scores, targets, seed=seed).items():
            found.setdefault(model, {})[view] = {name: asdict(estimate) for name, estimate in metrics.items()}
    return found


def score_view(scorer: Scorer, baseline: Baseline, view: str, steps: Steps) -> dict[str, np.ndarray]:
    """Both models' scores, (users,)."""
    return {OURS: scorer.network.last_logits(steps), BASELINE: baseline.predict(view, steps, scorer.featurizer)}


def judge_probabilities(scorer: Scorer, views: Mapping[str, tuple[Steps, np.ndarray]]) -> dict[str, float]:
    """How well the calibrated score of whole trails means what it says."""
    steps, targets = views[ALL]
    probability = scorer.calibration.probability(scorer.network.last_logits(steps))
    return {
        "expected_calibration_error": expected_calibration_error(probability, targets),
        "brier": float(np.mean((probability - targets) ** 2)),
    }
