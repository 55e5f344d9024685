"""The causal recurrent encoders: each layer reads the steps in order and hands on its own units beside what it read."""

import keras
from keras import layers

from ml.models.config import ModelConfig


def encode_by_gru(hidden: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """(batch, time, width) -> (batch, time, (layers + 1) * width)."""
    return _encode(hidden, config, layers.GRU)


def encode_by_lstm(hidden: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """(batch, time, width) -> (batch, time, (layers + 1) * width)."""
    return _encode(hidden, config, layers.LSTM)


def _encode(
    hidden: keras.KerasTensor, config: ModelConfig, recurrent: type[layers.GRU] | type[layers.LSTM]
) -> keras.KerasTensor:
    name = recurrent.__name__.lower()
    for index in range(config.layers):
        encoded = recurrent(config.width, return_sequences=True, name=f"{name}_{index}")(hidden)
        encoded = layers.Dropout(config.dropout, name=f"{name}_dropout_{index}")(encoded)
        hidden = layers.Concatenate(name=f"skip_{index}")([encoded, hidden])
    return hidden
