"""Low-rank adaptation: a kernel W is read as W + (alpha / rank) A B, where only A and B are learned.

Hu et al. 2021, arXiv:2106.09685, section 4. A is drawn and B starts at 0, so that training starts from W itself. The
layers know nothing of it: they are called with the adapted kernel in W's place, dense and recurrent layers alike,
and once trained the product is added to W for good.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from ml.training.recurrence import RUNS


def kernels_of(layer: layers.Layer) -> list[keras.Variable]:
    """The kernels of a layer that can be adapted: a dense layer's, or both of a recurrent layer in RUNS."""
    if isinstance(layer, layers.Dense):
        return [layer.kernel]
    return [layer.cell.kernel, layer.cell.recurrent_kernel] if type(layer) in RUNS else []


class Adapters:
    """A pair A, B for each kernel: float32 (inputs, rank) and (rank, units).

    kernels: float32 (inputs, units) each; they are frozen. The same seed draws the same pairs.
    """

    def __init__(self, kernels: Sequence[keras.Variable], *, rank: int, alpha: float, seed: int):
        self.kernels, self.scale = kernels, alpha / rank
        self.pairs = [_draw_pair(kernel.shape, rank, [seed, index]) for index, kernel in enumerate(kernels)]
        for kernel in kernels:
            kernel.trainable = False

    @property
    def weights(self) -> list[keras.Variable]:
        """A and B of each kernel in turn."""
        return [variable for pair in self.pairs for variable in pair]

    def replacements(self) -> dict[int, object]:
        """id of each kernel -> the tensor to read in its place."""
        pairs = zip(self.kernels, self.pairs, strict=True)
        return {id(kernel): kernel.value + self.scale * ops.matmul(one, other) for kernel, (one, other) in pairs}

    def merge(self, values: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
        """id of each kernel -> what is to be added to it for good. values: of `weights`."""
        pairs = zip(self.kernels, values[::2], values[1::2], strict=True)
        return {id(kernel): self.scale * (one @ other) for kernel, one, other in pairs}


def _draw_pair(shape: tuple[int, int], rank: int, seed: list[int]) -> tuple[keras.Variable, keras.Variable]:
    inputs, units = shape
    one = np.random.default_rng(seed).normal(size=(inputs, rank), scale=inputs**-0.5)
    return keras.Variable(one, dtype="float32"), keras.Variable(np.zeros((rank, units)), dtype="float32")


class Adapted(layers.Layer):
    """Computes what a model would with its kernels adapted; takes and gives what the model does."""

    def __init__(self, model: keras.Model, adapters: Adapters):
        super().__init__(name="adapted", dtype="float32")
        self.model, self.adapters, self.pairs = model, adapters, adapters.pairs  # Keras finds variables in lists
        self.built = True

    def call(self, inputs: dict[str, object], training: bool = False) -> object:
        replaced, model = self.adapters.replacements(), self.model
        fixed = model.non_trainable_variables
        values = [
            [replaced.get(id(variable), variable.value) for variable in some]
            for some in (model.trainable_variables, fixed)
        ]
        outputs, states = model.stateless_call(*values, inputs, training=training)
        weights = {id(weight) for weight in model.weights}
        for variable, state in zip(fixed, states, strict=True):
            if id(variable) not in weights:  # dropout's: the next call drops others
                variable.assign(state)
        return outputs

    def compute_output_shape(self, shapes: object) -> tuple[int | None, ...]:
        return self.model.output_shape


def adapt(model: keras.Model, adapters: Adapters) -> keras.Model:
    """A model on the same inputs whose trainable variables are the adapters and what of the model is not frozen."""
    return keras.Model(model.input, Adapted(model, adapters)(model.input), name=f"{model.name}_adapted")
