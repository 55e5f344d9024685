"""Logits of every event from a Keras model."""

import keras
import numpy as np

from ml.sequences.batches import each_batch, unpad
from ml.sequences.features import Steps

TOKENS = 16_384


def infer_logits(model: keras.Model, steps: Steps) -> np.ndarray:
    """float32 (events,): the model's logit at each event."""
    logits = np.empty(len(steps.numeric), np.float32)
    for batch, inputs in each_batch(steps, tokens=TOKENS):
        padded = model.predict_on_batch(inputs)
        rows, values = unpad(padded, steps.offsets, batch)
        logits[rows] = values
    return logits
