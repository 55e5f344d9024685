"""What a logit costs beside a target, where a share of the labels is wrong whichever way, or anomalous users are rare.

Forward correction (Patrini et al., "Making Deep Neural Networks Robust to Label Noise", 2017): what is compared with a
label is not how probably its user is anomalous but how probably they are called so. A network that has learned that
from wrong labels knows the rest.

Weights come calibrated back: as an anomalous user's weight multiplies the odds of the labels, it multiplies the odds
that are compared with them, too. So what costs least is the probability itself, whatever the weight; the weight says
which errors in it matter.
"""

import keras
import numpy as np
from keras import ops

from ml.calibration.probability import sigmoid


class CrossEntropy(keras.losses.Loss):
    """Added up over the steps, as they weigh.

    wrong: the share of labels that are, below 0.5. weight: of an anomalous user beside a good one's 1.
    """

    def __init__(self, wrong: float = 0.0, weight: float = 1.0):
        super().__init__(reduction="sum")
        self.wrong, self.weight = wrong, weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """y_true: (..., 1), between 0 and 1. y_pred: logits, of the same shape. Returns (...)."""
        weights = self.weight * y_true + (1 - y_true)
        called = self._called(y_pred) + np.log(self.weight)
        costs = keras.losses.binary_crossentropy(self.weight * y_true / weights, called, from_logits=True)
        return costs * ops.squeeze(weights, -1)

    def _called(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        if self.wrong == 0:
            return logits
        called = self.wrong + (1 - 2 * self.wrong) * ops.sigmoid(logits)
        return ops.log(called) - ops.log1p(-called)


def cross_entropy(logits: np.ndarray, targets: np.ndarray, wrong: float = 0.0) -> np.ndarray:
    """The same without a backend and without weights, float64 (events,)."""
    logits = logits.astype(np.float64)
    if wrong == 0:
        return np.logaddexp(0, logits) - targets * logits
    called = wrong + (1 - 2 * wrong) * sigmoid(logits)
    return -(targets * np.log(called) + (1 - targets) * np.log1p(-called))
