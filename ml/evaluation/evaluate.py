"""Ours beside LightGBM, both trained on the same users and asked about the same users, view by view."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ml.errors import TrailguardError
from ml.evaluation.metrics import compare_models, expected_calibration_error
from ml.evaluation.views import cut_views, last_targets
from ml.models.baseline import Baseline
from ml.models.columns import baseline_columns
from ml.scoring.scorer import Scorer
from ml.sequences.features import Steps
from ml.sequences.sequences import Sequences

BASELINE = "lightgbm"


class NobodyToJudge(TrailguardError):
    """A model can be judged only on users of both kinds.

    Take a later `until`, so that more labels have matured.
    """


def evaluate(bundle: Path, sequences: Sequences, *, seed: int) -> dict[str, dict]:
    """model -> view -> metric -> {value, low, high}; the difference has a model's place, "gru - lightgbm".

    Ours has the name of its ScoringModel.
    sequences: both ends of each user's trail, with `target`, of users that neither model was trained on.
    Raises NobodyToJudge.
    """
    scorer, baseline = Scorer.load(bundle), Baseline.load(bundle / "baseline")
    found: dict[str, dict] = {}
    for view, seen in cut_views(sequences, scorer.featurizer.window).items():
        steps, targets = scorer.featurizer.transform(seen), last_targets(seen)
        if not 0 < targets.sum() < len(targets):
            raise NobodyToJudge(view=view, users=len(targets), anomalous=int(targets.sum()))
        scores = score_view(scorer, baseline, view, steps)
        for model, metrics in compare_models(scores, targets, seed=seed).items():
            found.setdefault(model, {})[view] = {name: asdict(estimate) for name, estimate in metrics.items()}
    return found


def score_view(scorer: Scorer, baseline: Baseline, view: str, steps: Steps) -> dict[str, np.ndarray]:
    """Both models' scores, (users,)."""
    ours, theirs = scorer.model.last_logits(steps), baseline.predict(view, baseline_columns(steps, scorer.featurizer))
    return {scorer.model.name: ours, BASELINE: theirs}


def judge_probabilities(probability: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """How well calibrated scores mean what they say; both (users,)."""
    return {
        "expected_calibration_error": float(expected_calibration_error(probability, targets)[0]),
        "brier": float(np.mean((probability - targets) ** 2)),
    }
