"""The sequence model: each step by itself, then an encoder that looks back, then a head at every step.

Backend-neutral Keras 3. Padding stands on the right, after all real steps, so a causal model needs no mask: extra
padding never changes the result.
"""

import keras
from keras import layers

from ml.models.config import Architecture, ModelConfig
from ml.models.recurrent import encode_by_gru, encode_by_lstm
from ml.models.transformer import encode_by_transformer

EMBEDDING_LIMIT = 8
ENCODERS = {
    Architecture.GRU: encode_by_gru,
    Architecture.LSTM: encode_by_lstm,
    Architecture.TRANSFORMER: encode_by_transformer,
}


def build_model(config: ModelConfig) -> keras.Model:
    """A new model with random weights, named after its architecture.

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
    hidden = ENCODERS[config.architecture](hidden, config)
    hidden = layers.Dense(config.width, activation="relu", name="head_network")(hidden)
    logits = layers.Dense(1, name="head")(hidden)
    inputs = {"numeric": numeric, "categorical": categorical}
    return keras.Model(inputs, layers.Reshape((-1,), name="logits")(logits), name=str(config.architecture))


def _embed(categorical: keras.KerasTensor, sizes: tuple[int, ...]) -> list[keras.KerasTensor]:
    """One small embedding for each categorical input."""
    return [
        layers.Embedding(size, min(EMBEDDING_LIMIT, (size + 1) // 2), name=f"embedding_{index}")(
            categorical[:, :, index]
        )
        for index, size in enumerate(sizes)
    ]
