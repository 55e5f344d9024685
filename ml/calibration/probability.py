"""Probability calibration: a model's logit -> the probability of being anomalous, fitted on users it never saw.

Two monotone maps are fitted, and the one with the smaller cross-validated log loss is kept:

    platt  p = sigmoid(a x + c): J. Platt, "Probabilistic outputs for support vector machines", 1999.
    beta   p = sigmoid(a log s - b log(1 - s) + c), s = sigmoid(x), a, b >= 0: M. Kull, T. Silva Filho, P. Flach,
           "Beta calibration", AISTATS 2017.

Both are strictly increasing, so calibration never changes a ranking.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml.errors import TrailguardError
from ml.files import write_json

FOLDS = 5
FEWEST = 10  # of each class, or the slope is taken as it is and only the level is fitted
WEAK_PENALTY = 1e3  # inverse regularisation strength: finite where the classes are separable


class NothingToCalibrate(TrailguardError):
    """Probabilities can be calibrated only where both kinds of users are known, and the model tells them apart.

    Load a longer history, or look at the training's curves.
    """


@dataclass(frozen=True)
class ProbabilityCalibration:
    """p = sigmoid(rising * log s - falling * log(1 - s) + level), s = sigmoid(logit); Platt's where both are equal.

    method: platt or beta. rows, anomalous: what it was fitted on.
    """

    method: str
    rising: float
    falling: float
    level: float
    rows: int
    anomalous: int

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """float64, of the same shape as the logits."""
        features = _features(np.asarray(logits, np.float64))
        return sigmoid(features @ np.array([self.rising, self.falling]) + self.level)

    def save(self, path: Path) -> None:
        """Writes JSON."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "ProbabilityCalibration":
        return cls(**json.loads(path.read_text()))


def fit_probability(logits: np.ndarray, labels: np.ndarray) -> ProbabilityCalibration:
    """Chooses and fits a map.

    logits: float (rows,). labels: 0 or 1, (rows,). Raises NothingToCalibrate.
    """
    anomalous, rows = int(labels.sum()), len(labels)
    if not 0 < anomalous < rows:
        raise NothingToCalibrate(rows=rows, anomalous=anomalous)
    if min(anomalous, rows - anomalous) < FEWEST:
        return _fit_level(logits, labels)
    chosen = min(("platt", "beta"), key=lambda method: _cross_validated_loss(method, logits, labels))
    return _fit(chosen, logits, labels)


def _fit(method: str, logits: np.ndarray, labels: np.ndarray) -> ProbabilityCalibration:
    """beta without a term whose slope would fall; Platt where both would."""
    features = _features(logits)
    if method == "beta":
        rising, falling, level = _logistic(features, labels)
        if min(rising, falling) >= 0:
            return ProbabilityCalibration("beta", rising, falling, level, len(labels), int(labels.sum()))
        kept = 1 if rising < 0 else 0
        slope, level = _logistic(features[:, [kept]], labels)
        if slope > 0:
            slopes = [0.0, 0.0]
            slopes[kept] = slope
            return ProbabilityCalibration("beta", *slopes, level, len(labels), int(labels.sum()))
    slope, level = _logistic(features.sum(axis=1, keepdims=True), labels)
    if slope <= 0:
        raise NothingToCalibrate(rows=len(labels), anomalous=int(labels.sum()), slope=round(slope, 3))
    return ProbabilityCalibration("platt", slope, slope, level, len(labels), int(labels.sum()))


def _fit_level(logits: np.ndarray, labels: np.ndarray) -> ProbabilityCalibration:
    """With a handful of one class only the level is worth fitting: the mean probability becomes the observed share."""
    wanted, low, high = labels.mean(), -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logits + middle).mean() < wanted else (low, middle)
    return ProbabilityCalibration("platt", 1.0, 1.0, (low + high) / 2, len(labels), int(labels.sum()))


def _cross_validated_loss(method: str, logits: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    losses = []
    for fitted, held in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(logits, labels):
        probability = _fit(method, logits[fitted], labels[fitted]).probability(logits[held])
        losses.append(log_loss(labels[held], probability, labels=[0, 1]))
    return float(np.mean(losses))


def _features(logits: np.ndarray) -> np.ndarray:
    """float64 (users, 2): log s and -log(1 - s); their sum is the logit."""
    return np.stack([-np.logaddexp(0, -logits), np.logaddexp(0, logits)], axis=-1)


def _logistic(features: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """Slopes and intercept."""
    from sklearn.linear_model import LogisticRegression  # here, so that scoring starts without it

    model = LogisticRegression(C=WEAK_PENALTY, max_iter=1000).fit(features, labels)
    return (*map(float, model.coef_[0]), float(model.intercept_[0]))


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Of the same shape, without an overflow."""
    return np.exp(-np.logaddexp(0, -values))
