"""A recurrent layer of Keras over packed segments, with a backward pass made for training on a CPU."""

import keras
from keras import layers, ops

from ml.training.packed_gru import run_gru
from ml.training.packed_lstm import run_lstm
from ml.training.packing import Packing
from ml.training.segments import Tensor

RUNS = {layers.GRU: run_gru, layers.LSTM: run_lstm}


class PackedRecurrence(keras.layers.Layer):
    """Applies a recurrent layer's cell to packed segments: what the layer itself computes for each user.

    layer: of a type in RUNS, as ml.models.recurrent makes it.
    Call arguments:
        inputs: float (1, steps, features), packed by `packing` (see pack_segments).
    Returns: float (1, steps, units).
    """

    def __init__(self, layer: layers.GRU | layers.LSTM, packing: Packing):
        super().__init__(name=f"packed_{layer.name}", dtype=layer.dtype_policy)
        self.cell, self.parts, self.run = layer.cell, packing.parts, RUNS[type(layer)]

    def call(self, inputs: Tensor) -> Tensor:
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        return self.run(self.parts, inputs[0], *(ops.cast(weight, self.compute_dtype) for weight in weights))[None]

    def compute_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:-1], self.cell.units)
