"""The report folder of a training: what its probabilities are worth, and pictures."""

import json
from pathlib import Path

from ml.evaluation.evaluate import judge_probabilities, score_view
from ml.evaluation.plots import plot_report
from ml.evaluation.views import ALL, cut_views, last_targets
from ml.files import write_json
from ml.models.baseline import Baseline
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences


def write_report(bundle: Path, report: Path, sequences: Sequences) -> None:
    """Plots both models on the test users and writes probabilities.json."""
    scorer, baseline = Scorer.load(bundle), Baseline.load(bundle / "baseline")
    report.mkdir(parents=True, exist_ok=True)
    seen = cut_views(sequences, scorer.featurizer.window)[ALL]
    targets = last_targets(seen)
    scores = score_view(scorer, baseline, ALL, scorer.featurizer.transform(seen))
    probability = scorer.calibration.probability(scores[scorer.model.name])
    write_json(report / "probabilities.json", judge_probabilities(probability, targets))
    plot_report(
        report,
        scores=scores,
        probability=probability,
        targets=targets,
        curves=json.loads((bundle / "curves.json").read_text()),
    )
