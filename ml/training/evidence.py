"""What a model can judge, learned from training and validation users alone: how short a trail, how unlike."""

import numpy as np
import pyarrow as pa

from ml.evaluation.heldout import Judged, judged
from ml.evaluation.metrics import Estimate, estimate, rank_users, resample, roc_auc
from ml.evaluation.views import DAY
from ml.scoring.evidence import EvidenceRule, box_distance, inputs
from ml.sequences.features import Featurizer
from ml.training.steps import TargetedSteps

RUNGS = (1, 2, 3, 5, 10)  # events; a rung's trails are shorter than the next one's, the last one's of any length
MARGIN = 0.05  # of ROC AUC above chance, which the lower end of the interval must exceed
FEWEST = 10  # users of each kind in a rung, or it says nothing
DEFAULT = 3  # events that are enough where a rung says nothing
EDGE = 0.0005  # share of training users' days beyond either end of an input's range
WITHIN = 0.999  # share of validation users who are like training on all their days
LEAST_FARTHEST = 3.0  # standard deviations: a handful of validation users must not set a limit of nearly nothing


def fit_evidence(
    training: TargetedSteps, validation: TargetedSteps, heldout: pa.Table, featurizer: Featurizer, *, seed: int
) -> EvidenceRule:
    """Good and anomalous users alike say what a usual trail is: whom training never saw the like of, not who is bad.

    heldout: HELDOUT_SCHEMA; of it only the validation slice is read.
    """
    fewest = fewest_events(judged(heldout, "validation", DAY), seed=seed)
    lowest, highest = find_box(training, featurizer)
    farthest = find_farthest(validation, lowest, highest)
    return EvidenceRule(min(fewest, featurizer.window), lowest.tolist(), highest.tolist(), farthest)


def find_box(training: TargetedSteps, featurizer: Featurizer) -> tuple[np.ndarray, np.ndarray]:
    """lowest, highest: float64 (inputs,), of the ends of training users' days, all but EDGE of them at either end."""
    given = inputs(training.steps, np.flatnonzero(training.closes_day))
    lowest, highest = np.quantile(given, [EDGE, 1 - EDGE], axis=0)
    if "closes_day" in featurizer.means:  # an interval may end before its day does
        column = list(featurizer.means).index("closes_day")
        values = training.steps.numeric[:, column]
        lowest[column], highest[column] = values.min(), values.max()
    return lowest, highest


def find_farthest(validation: TargetedSteps, lowest: np.ndarray, highest: np.ndarray) -> float:
    """How far from the box all but a few validation users stay on all their days; LEAST_FARTHEST at least."""
    rows = np.flatnonzero(validation.closes_day)
    distances = box_distance(inputs(validation.steps, rows), lowest, highest)
    users = np.repeat(np.arange(len(validation.steps.lengths)), validation.steps.lengths)[rows]
    peaks = np.zeros(len(validation.steps.lengths))
    np.maximum.at(peaks, users, distances)
    return max(LEAST_FARTHEST, float(np.quantile(peaks, WITHIN)))


def fewest_events(days: Judged, *, seed: int) -> int:
    """The shortest rung of trails that the model ranks better than chance, by MARGIN and with 95 % confidence.

    A rung with fewer than FEWEST users of either kind says nothing: it is passed over below DEFAULT events, and is
    enough from there on. days: of users whom the model never saw.
    """
    ends = (*RUNGS[1:], np.inf)
    for rung, end in zip(RUNGS, ends, strict=True):
        found = _rank_rung(days, rung, end, np.random.default_rng(seed))
        if found is None and rung < DEFAULT:
            continue
        if found is None or found.low > 0.5 + MARGIN:
            return rung
    return RUNGS[-1]


def _rank_rung(days: Judged, rung: int, end: float, rng: np.random.Generator) -> Estimate | None:
    """ROC AUC on the first day that left each user with so many events; None where it says nothing."""
    inside = np.flatnonzero((days.events >= rung) & (days.events < end))
    inside = inside[np.lexsort((days.events[inside], days.user_ids[inside]))]
    first = inside[np.unique(days.user_ids[inside], return_index=True)[1]]
    logits, targets = days.logits[first], days.targets[first]
    if min(targets.sum(), len(targets) - targets.sum()) < FEWEST:
        return None
    weights = np.vstack([np.ones(len(targets)), resample(targets, rng)])
    return estimate(roc_auc(rank_users(logits, targets, weights)))
