"""The causal GRU encoder: each layer reads the steps in order and hands on its own units beside what it read."""

import keras
from keras import layers

from ml.models.config import ModelConfig


def encode_by_gru(hidden: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """(batch, time, width) -> (batch, time, (layers + 1) * width)."""
    for index in range(config.layers):
        encoded = layers.GRU(config.width, return_sequences=True, name=f"gru_{index}")(hidden)
        encoded = layers.Dropout(config.dropout, name=f"gru_dropout_{index}")(encoded)
        hidden = layers.Concatenate(name=f"skip_{index}")([encoded, hidden])
    return hidden
