"""Of which users a model would withhold its score, and how it ranks the others."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ml.contracts.scores import Evidence
from ml.evaluation.metrics import compare_models
from ml.evaluation.views import cut_views, last_targets
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences


def evaluate_withheld(bundle: Path, sequences: Sequences, *, seed: int) -> dict[str, dict]:
    """view -> users, too_short and too_unlike of them, how many of each are anomalous, and, where users of both kinds
    remain, the metrics of those: metric -> {value, low, high}.

    sequences: as for ml.evaluation.evaluate.
    """
    scorer = Scorer.load(bundle)
    views = cut_views(sequences, scorer.featurizer.window)
    return {view: _tell(scorer, seen, seed) for view, seen in views.items()}


def _tell(scorer: Scorer, seen: Sequences, seed: int) -> dict:
    judged, targets = scorer.score_users(seen), last_targets(seen)
    told: dict = {"users": len(seen)}
    for evidence in (Evidence.TOO_SHORT, Evidence.TOO_UNLIKE):
        withheld = judged.evidence == evidence
        told |= {evidence.value: int(withheld.sum()), f"{evidence.value}_anomalous": int(targets[withheld].sum())}
    rest = np.isfinite(judged.logits)
    if 0 < targets[rest].sum() < rest.sum():
        found = compare_models({"rest": judged.logits[rest]}, targets[rest], seed=seed)["rest"]
        told["rest"] = {name: asdict(estimate) for name, estimate in found.items()}
    return told
