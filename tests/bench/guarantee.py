"""How often a threshold with a guarantee is found, and what it finds, beside mapie's BinaryClassificationController.

A shop like the simulated one: one user in nine is anomalous, most of them plainly so. Each round draws 1,400 users
anew, as those whose labels have matured; the policy is the default one. What a threshold really does is counted on
400,000 users more.
"""

import warnings

import numpy as np

from ml.calibration.candidate import Labelled
from ml.calibration.policy import Policy
from ml.calibration.probability import sigmoid
from ml.calibration.threshold import choose_threshold, propose_candidates
from tests.bench.rows import Row, alone

POLICY = Policy(precision_floor=0.9, fpr_ceiling=0.05, alert_budget=0.2, confidence=0.95)
USERS, EVERYBODY = 1400, 400_000
ANOMALOUS, PLAIN = 0.11, 0.6  # of all users; of those


def measure(*, quick: bool) -> list[Row]:
    rounds, everybody = (40 if quick else 200), draw(EVERYBODY, seed=10_000)
    found = {name: [choose(draw(USERS, seed)) for seed in range(rounds)] for name, choose in RIVALS.items()}
    shares = {name: np.mean([value is not None for value in values]) for name, values in found.items()}
    recalls = {name: np.mean([recall(everybody, value) for value in values]) for name, values in found.items()}
    broken = np.mean([value is not None and breaks(everybody, value) for value in found["ours"]])
    return [
        *(_beside("found", name, shares) for name in RIVALS if name != "ours"),
        *(_beside("recall", name, recalls) for name in RIVALS if name != "ours"),
        alone("threshold_broken_promises", [float(broken)], unit="share of calibrations"),
    ]


def draw(users: int, seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    labels = (random.random(users) < ANOMALOUS).astype(int)
    height = np.where(random.random(users) < PLAIN, 4.0, 2.0)
    return Labelled(sigmoid(random.normal(size=users) + labels * height - 2), labels)


def ours(users: Labelled) -> float | None:
    chosen = choose_threshold(*users.split(), POLICY).chosen
    return chosen and chosen.value


def mapie_split(users: Labelled) -> float | None:
    """Its split fixed sequence, on the same candidates."""
    earlier, later = users.split()
    controller = _controller(propose_candidates(earlier.scores, POLICY.alert_budget)[::-1], "split_fixed_sequence")
    controller.learn_fixed_sequence_order(earlier.scores[:, None], earlier.labels)
    return _calibrated(controller, later)


def mapie_default(users: Labelled) -> float | None:
    """Bonferroni-Holm over its hundred thresholds, on all users."""
    return _calibrated(_controller(np.linspace(0, 0.99, 100), "bonferroni_holm"), users)


RIVALS = {"ours": ours, "mapie_split": mapie_split, "mapie_default": mapie_default}


def recall(users: Labelled, value: float | None) -> float:
    return 0.0 if value is None else float((users.scores[users.labels == 1] >= value).mean())


def breaks(users: Labelled, value: float) -> bool:
    flagged = users.scores >= value
    return bool(
        users.labels[flagged].mean() < POLICY.precision_floor
        or flagged[users.labels == 0].mean() > POLICY.fpr_ceiling
        or flagged.mean() > POLICY.alert_budget
    )


def _controller(thresholds: np.ndarray, method: str) -> object:
    from mapie.risk_control import BinaryClassificationController

    return BinaryClassificationController(
        lambda scores: np.hstack([1 - scores, scores]),
        ["precision", "fpr", "predicted_positive_fraction"],
        [POLICY.precision_floor, POLICY.fpr_ceiling, POLICY.alert_budget],
        confidence_level=POLICY.confidence,
        best_predict_param_choice="recall",
        list_predict_params=thresholds,
        fwer_method=method,
    )


def _calibrated(controller: object, users: Labelled) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where it finds none
        return controller.calibrate(users.scores[:, None], users.labels).best_predict_param


def _beside(what: str, rival: str, figures: dict[str, float]) -> Row:
    mine, theirs = float(figures["ours"]), float(figures[rival])
    ratio = mine / theirs if theirs else float("inf")
    return Row(f"threshold_{what}_vs_{rival}", mine, theirs, "share", ratio, ratio, ratio)
