"""What a model makes of each step by itself, before it looks back."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from ml.models.config import ModelConfig

EMBEDDING_LIMIT = 8
PIECES = 4  # of each number's range


def plain_step(numeric: keras.KerasTensor, categorical: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """numeric (batch, time, F) and categorical (batch, time, C) -> (batch, time, width)."""
    step = layers.Concatenate(name="step")([numeric, *_embed(categorical, config.vocabulary_sizes)])
    return layers.Dense(config.width, activation="relu", name="step_network")(step)


def crossed_step(numeric: keras.KerasTensor, categorical: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """The same shapes; some numbers are encoded piece by piece, and everything is crossed with everything.

    A cross layer (DCN-v2: Wang et al. 2021, arXiv:2008.13535): h + h0 * (W h + b), for products of h's units.
    """
    given = [numeric, *_embed(categorical, config.vocabulary_sizes)]
    if config.encoded:
        given.insert(0, PiecewiseLinear(config.encoded, PIECES, name="encoding")(numeric))
    step = layers.Concatenate(name="step")(given)
    given = layers.Dense(config.width, name="step_network")(step)
    product = layers.Multiply(name="product")([given, layers.Dense(config.width, name="cross")(given)])
    crossed = layers.Add(name="crossed")([given, product])
    return layers.Dense(config.width, activation="relu", name="cross_network")(crossed)


def _embed(categorical: keras.KerasTensor, sizes: tuple[int, ...]) -> list[keras.KerasTensor]:
    """One small embedding for each categorical input."""
    return [
        layers.Embedding(size, min(EMBEDDING_LIMIT, (size + 1) // 2), name=f"embedding_{index}")(
            categorical[:, :, index]
        )
        for index, size in enumerate(sizes)
    ]


@keras.saving.register_keras_serializable(package="trailguard")
class PiecewiseLinear(layers.Layer):
    """Each number as how far it has come through each piece of its range: Gorishniy, Rubachev, Babenko 2022,
    arXiv:2203.05556, section 3.2.

    columns: the places of the numbers that are encoded.
    Call arguments:
        values: float (..., numbers).
    Returns: float (..., columns * pieces), each between 0 and 1.
    """

    def __init__(self, columns: Sequence[int], pieces: int, **kwargs: object):
        super().__init__(**kwargs)
        self.columns, self.pieces = list(columns), pieces

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Until `adapt`, the pieces share [-2, 2] evenly."""
        width = 4 / self.pieces
        begins = np.tile(np.arange(self.pieces) * width - 2, (len(self.columns), 1))
        self.begins = self._constant("begins", begins)
        self.slopes = self._constant("slopes", np.full_like(begins, 1 / width))

    def _constant(self, name: str, values: np.ndarray) -> keras.Variable:
        initializer = keras.initializers.Zeros()
        variable = self.add_weight(shape=values.shape, initializer=initializer, trainable=False, name=name)
        variable.assign(values)
        return variable

    def adapt(self, values: np.ndarray) -> None:
        """Cuts each number's range so that equally many of the values, (rows, numbers), lie in each piece."""
        edges = np.quantile(values[:, self.columns], np.linspace(0, 1, self.pieces + 1), axis=0).T
        widths = np.diff(edges, axis=1)
        self.begins.assign(edges[:, :-1])
        self.slopes.assign(np.divide(1, widths, out=np.zeros_like(widths), where=widths > 0))

    def call(self, values: object) -> object:
        begins, slopes = (ops.cast(variable, self.compute_dtype) for variable in (self.begins, self.slopes))
        chosen = ops.take(values, self.columns, axis=-1)
        come = ops.clip((chosen[..., None] - begins) * slopes, 0, 1)
        return ops.reshape(come, (*ops.shape(values)[:-1], len(self.columns) * self.pieces))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*shape[:-1], len(self.columns) * self.pieces)

    def get_config(self) -> dict[str, object]:
        return super().get_config() | {"columns": self.columns, "pieces": self.pieces}
