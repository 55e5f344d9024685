"""The report folder of a training: what its probabilities are worth, and pictures."""

import json
from pathlib import Path

from ml.evaluation.evaluate import OURS, describe_views, judge_probabilities, score_view
from ml.evaluation.plots import plot_report
from ml.evaluation.views import ALL
from ml.models.baseline import Baseline
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences


def write_report(bundle: Path, report: Path, sequences: Sequences) -> None:
    """Plots both models on the test users and writes probabilities.json."""
    scorer, baseline = Scorer.load(bundle), Baseline.load(bundle / "baseline")
    report.mkdir(parents=True, exist_ok=True)
    views = describe_views(scorer.featurizer, sequences)
    steps, targets = views[ALL]
    scores = score_view(scorer, baseline, ALL, steps)
    (report / "probabilities.json").write_text(json.dumps(judge_probabilities(scorer, views), indent=1))
    plot_report(
        report,
        scores=scores,
        probability=scorer.calibration.probability(scores[OURS]),
        targets=targets,
        threshold=json.loads((bundle / "threshold.json").read_text())["value"],
        curves=json.loads((bundle / "curves.json").read_text()),
    )
