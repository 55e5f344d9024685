"""The causal Transformer encoder: pre-norm blocks of attention over the steps so far and of a feed-forward network.

Norms are root-mean-square (Zhang and Sennrich 2019, arXiv:1910.07467), positions rotary (Su et al. 2021,
arXiv:2104.09864), so that only the distance between two steps counts.
"""

import keras
import numpy as np
from keras import layers, ops

from ml.models.config import ModelConfig

EXPANSION = 4  # units of a feed-forward network for each unit of the width
LONGEST_TURN = 10_000.0  # steps, over 2 pi, of a rotary pair's slowest turn


def encode_by_transformer(stream: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """(batch, time, width) -> the same."""
    for index in range(config.layers):
        stream = _attend(stream, index, config)
        stream = _feed_forward(stream, index, config)
    return layers.RMSNormalization(name="norm")(stream)


def _attend(stream: keras.KerasTensor, index: int, config: ModelConfig) -> keras.KerasTensor:
    given = layers.RMSNormalization(name=f"attention_norm_{index}")(stream)
    given = layers.Dense(3 * config.width, use_bias=False, name=f"attention_in_{index}")(given)
    found = RotaryAttention(config.heads, name=f"attention_{index}")(given)
    found = layers.Dense(config.width, use_bias=False, name=f"attention_out_{index}")(found)
    found = layers.Dropout(config.dropout, name=f"attention_dropout_{index}")(found)
    return layers.Add(name=f"attention_skip_{index}")([stream, found])


def _feed_forward(stream: keras.KerasTensor, index: int, config: ModelConfig) -> keras.KerasTensor:
    given = layers.RMSNormalization(name=f"feed_forward_norm_{index}")(stream)
    wide = layers.Dense(EXPANSION * config.width, name=f"feed_forward_in_{index}")(given)
    wide = ops.gelu(wide, approximate=True)  # ONNX Runtime does not load the exact one
    found = layers.Dense(config.width, name=f"feed_forward_out_{index}")(wide)
    found = layers.Dropout(config.dropout, name=f"feed_forward_dropout_{index}")(found)
    return layers.Add(name=f"feed_forward_skip_{index}")([stream, found])


@keras.saving.register_keras_serializable(package="trailguard")
class RotaryAttention(layers.Layer):
    """Causal attention with rotary positions; it has no weights of its own.

    Call arguments:
        projected: float (batch, time, 3 * width): queries, keys and values, each head after head.
    Returns: float (batch, time, width).
    """

    def __init__(self, heads: int, **kwargs: object):
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, projected: object) -> object:
        batch, time = ops.shape(projected)[:2]
        units = projected.shape[-1] // (3 * self.heads)
        parts = ops.reshape(projected, (batch, time, 3, self.heads, units))
        turn = [ops.cast(part, self.compute_dtype) for part in turns(time, units)]
        query, key = (rotate(parts[:, :, which], *turn) for which in (0, 1))
        found = ops.dot_product_attention(query, key, parts[:, :, 2], is_causal=True)
        return ops.reshape(found, (batch, time, self.heads * units))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*shape[:-1], shape[-1] // 3)

    def get_config(self) -> dict[str, object]:
        return super().get_config() | {"heads": self.heads}


def turns(time: int, units: int) -> tuple[object, object]:
    """float32 (time, 1, units / 2) twice: cosine and sine of each pair's angle at each step."""
    angles = ops.arange(time, dtype="float32")[:, None, None] * frequencies(units)
    return ops.cos(angles), ops.sin(angles)


def frequencies(units: int) -> np.ndarray:
    """float32 (units / 2,): radians a step by which each pair of a head's units turns."""
    return (LONGEST_TURN ** (-np.arange(units // 2) / (units // 2))).astype(np.float32)


def rotate(values: object, cosine: object, sine: object) -> object:
    """(batch, time, heads, units): unit i of the first half and of the second half make a pair."""
    one, other = ops.split(values, 2, axis=-1)
    return ops.concatenate([one * cosine - other * sine, one * sine + other * cosine], axis=-1)
