"""The causal GRU: a logit at every step from this step and the steps before it, never from later ones.

Backend-neutral Keras 3. Padding stands on the right, after all real steps, so a causal model needs no mask: extra
padding never changes the result.
"""

import keras
from keras import layers

from ml.models.config import ModelConfig

EMBEDDING_LIMIT = 8


def build_model(config: ModelConfig) -> keras.Model:
    """A new model with random weights.

    Call arguments, a dict:
        numeric: float32 (batch, time, config.numeric).
        categorical: int32 (batch, time, len(config.vocabulary_sizes)), 0 where padded.
    Returns: float32 (batch, time), the logit of being anomalous given the steps so far.
    """
    numeric = keras.Input((None, config.numeric), name="numeric", dtype="float32")
    categorical = keras.Input((None, len(config.vocabulary_sizes)), name="categorical", dtype="int32")
    step = layers.Concatenate(name="step")([numeric, *_embed(categorical, config.vocabulary_sizes)])
    hidden = layers.Dense(config.width, activation="relu", name="step_network")(step)
    hidden = layers.Dropout(config.dropout, name="step_dropout")(hidden)
    for index in range(config.layers):
        encoded = layers.GRU(config.width, return_sequences=True, name=f"gru_{index}")(hidden)
        encoded = layers.Dropout(config.dropout, name=f"gru_dropout_{index}")(encoded)
        hidden = layers.Concatenate(name=f"skip_{index}")([encoded, hidden])
    hidden = layers.Dense(config.width, activation="relu", name="head_network")(hidden)
    logits = layers.Dense(1, name="head")(hidden)
    inputs = {"numeric": numeric, "categorical": categorical}
    return keras.Model(inputs, layers.Reshape((-1,), name="logits")(logits), name="causal_gru")


def _embed(categorical: keras.KerasTensor, sizes: tuple[int, ...]) -> list[keras.KerasTensor]:
    """One small embedding for each categorical input."""
    return [
        layers.Embedding(size, min(EMBEDDING_LIMIT, (size + 1) // 2), name=f"embedding_{index}")(
            categorical[:, :, index]
        )
        for index, size in enumerate(sizes)
    ]
