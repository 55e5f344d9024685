"""The sequence model: each step by itself, then an encoder that looks back, then a head at every step.

Backend-neutral Keras 3. Padding stands on the right, after all real steps, so a causal model needs no mask: extra
padding never changes the result.
"""

import keras
import numpy as np
from keras import layers

from ml.models.config import Architecture, ModelConfig
from ml.models.recurrent import encode_by_gru, encode_by_lstm
from ml.models.step_network import PiecewiseLinear, crossed_step, plain_step
from ml.models.transformer import encode_by_transformer

HEAD = ("head_network", "head")  # layers; all below them is the backbone

PARTS = {
    Architecture.GRU: (plain_step, encode_by_gru),
    Architecture.LSTM: (plain_step, encode_by_lstm),
    Architecture.TRANSFORMER: (plain_step, encode_by_transformer),
    Architecture.FUSION: (crossed_step, encode_by_gru),
}


def adapt_model(model: keras.Model, numeric: np.ndarray) -> None:
    """Learns what is not learned by gradients: where a fusion cuts each number's range. numeric: (rows, numbers)."""
    for layer in model.layers:
        if isinstance(layer, PiecewiseLinear):
            layer.adapt(numeric)


def build_model(config: ModelConfig) -> keras.Model:
    """A new model with random weights, named after its architecture.

    Call arguments, a dict:
        numeric: float32 (batch, time, config.numeric).
        categorical: int32 (batch, time, len(config.vocabulary_sizes)), 0 where padded.
    Returns: float32 (batch, time), the logit of being anomalous given the steps so far.
    """
    numeric = keras.Input((None, config.numeric), name="numeric", dtype="float32")
    categorical = keras.Input((None, len(config.vocabulary_sizes)), name="categorical", dtype="int32")
    look, look_back = PARTS[config.architecture]
    hidden = look(numeric, categorical, config)
    hidden = layers.Dropout(config.dropout, name="step_dropout")(hidden)
    hidden = look_back(hidden, config)
    hidden = layers.Dense(config.width, activation="relu", name=HEAD[0])(hidden)
    logits = layers.Dense(1, name=HEAD[1])(hidden)
    inputs = {"numeric": numeric, "categorical": categorical}
    return keras.Model(inputs, layers.Reshape((-1,), name="logits")(logits), name=str(config.architecture))


def backbone_of(model: keras.Model) -> keras.Model:
    """What lies below the head, sharing its weights: the same call arguments -> float32 (batch, time, units)."""
    return keras.Model(model.input, model.get_layer(HEAD[0]).input, name=f"{model.name}_backbone")
