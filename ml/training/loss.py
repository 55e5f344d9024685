"""What a logit costs beside a target, where a share of the labels is wrong whichever way.

Forward correction (Patrini et al., "Making Deep Neural Networks Robust to Label Noise", 2017): what is compared with a
label is not how probably its user is anomalous but how probably they are called so. A network that has learned that
from wrong labels knows the rest.
"""

import keras
import numpy as np
from keras import ops

from ml.calibration.probability import sigmoid


class CrossEntropy(keras.losses.Loss):
    """Added up over the steps, as they weigh. wrong: the share of labels that are, below 0.5."""

    def __init__(self, wrong: float = 0.0):
        super().__init__(reduction="sum")
        self.wrong = wrong

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """y_true: (..., 1), between 0 and 1. y_pred: logits, of the same shape. Returns (...)."""
        if self.wrong == 0:
            return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)
        called = self.wrong + (1 - 2 * self.wrong) * ops.sigmoid(y_pred)
        return keras.losses.binary_crossentropy(y_true, called)


def cross_entropy(logits: np.ndarray, targets: np.ndarray, wrong: float = 0.0) -> np.ndarray:
    """The same without a backend, float64 (events,)."""
    logits = logits.astype(np.float64)
    if wrong == 0:
        return np.logaddexp(0, logits) - targets * logits
    called = wrong + (1 - 2 * wrong) * sigmoid(logits)
    return -(targets * np.log(called) + (1 - targets) * np.log1p(-called))
