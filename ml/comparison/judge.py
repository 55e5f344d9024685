"""What fitted models said of the users or events they were judged on, one row for each, and view, model, seed, fold."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import precision_recall_curve

from ml.calibration.good_users import GoodScores
from ml.calibration.probability import NothingToCalibrate, fit_probability, sigmoid
from ml.comparison.fitted import Trained
from ml.comparison.material import Material
from ml.sequences.moments import DAY

PREDICTIONS = pa.schema(
    [
        pa.field("fold", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("prefix", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),  # the last in view
        pa.field("day", pa.int32(), nullable=False),  # of that event, days since 1970
        pa.field("kind", pa.string()),  # what the labels call it, where the target is 1
        pa.field("target", pa.int8(), nullable=False),
        pa.field("logit", pa.float64(), nullable=False),
        # calibrated on the validation slice; where that has good users only, the share of them who score lower
        pa.field("probability", pa.float64(), nullable=False),
        # at the threshold that was best on the validation slice; where that has good users only, see GoodScores
        pa.field("flagged", pa.bool_(), nullable=False),
    ]
)


def rows_of(predictions: pa.Table, **values: object) -> pa.Table:
    """The rows whose columns have these values."""
    for name, value in values.items():
        predictions = predictions.filter(pc.equal(predictions[name], value))
    return predictions


def judge(trained: Trained, material: Material, *, model: str, seed: int) -> pa.Table:
    """PREDICTIONS of one model, every view."""
    return pa.concat_tables(_judge_view(trained, material, view, model, seed) for view in material.test_views)


def _judge_view(trained: Trained, material: Material, view: str, model: str, seed: int) -> pa.Table:
    validation, test = material.validation_views[view], material.test_views[view]
    held, logits = trained.first.logits(view, validation), trained.last.logits(view, test)
    if material.fold.only_good:
        good = GoodScores.of(held)
        calibrate, threshold = good.probability, good.threshold
    else:
        calibrate = _calibration(held, validation.targets)
        threshold = best_threshold(calibrate(held), validation.targets)
    probability, rows = calibrate(logits), len(logits)
    columns = {
        "fold": [material.fold.name] * rows,
        "model": [model] * rows,
        "seed": [seed] * rows,
        "prefix": [view] * rows,
        **{name: test.named[name] for name in ("user_id", "event_id", "kind", "target")},
        "day": (test.named["event_time"].cast(pa.int64()).to_numpy() // DAY).astype(np.int32),
        "logit": logits,
        "probability": probability,
        "flagged": probability >= threshold,
    }
    return pa.table(columns, schema=PREDICTIONS)


def _calibration(logits: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A model that does not tell the validation users apart keeps the probabilities that it states."""
    try:
        return fit_probability(logits, targets).probability
    except NothingToCalibrate:
        return sigmoid


def best_threshold(probability: np.ndarray, targets: np.ndarray) -> float:
    """The probability from which on flagging gives the highest F1; both (users,)."""
    precision, recall, thresholds = precision_recall_curve(targets, probability)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.argmax(f1)])
