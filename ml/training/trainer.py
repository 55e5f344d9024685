"""A model made to train on packed batches."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from ml.models.step_network import PiecewiseLinear
from ml.training.packing import Packing, pack_blocks, pack_segments
from ml.training.recurrence import RUNS, PackedRecurrence

# Each looks at one step at a time and does not care how the steps lie.
STEPWISE = (
    *(layers.InputLayer, layers.Embedding, layers.Dense, layers.Dropout, layers.Concatenate, layers.Reshape),
    *(layers.Add, layers.Multiply, PiecewiseLinear),
)


def is_recurrent(model: keras.Model) -> bool:
    """Whether GRU or LSTM layers, and no others, carry something from one step to the next."""
    across = [layer for layer in model.layers if not isinstance(layer, STEPWISE)]
    return bool(across) and all(type(layer) in RUNS for layer in across)


def choose_pack(model: keras.Model) -> Callable[[np.ndarray, np.ndarray], Packing]:
    """How the model's batches are packed: by pack_segments where it is recurrent, else by pack_blocks."""
    return pack_segments if is_recurrent(model) else pack_blocks


def copy_to_train(model: keras.Model) -> keras.Model:
    """The model with weights of its own, float32 as before, that computes in what its device is fastest with."""
    accelerated = not keras.distribution.list_devices()[0].startswith("cpu")
    return in_precision(model, "mixed_bfloat16" if accelerated else "float32")


def in_precision(model: keras.Model, policy: str) -> keras.Model:
    """A copy of the model under a Keras dtype policy, such as mixed_bfloat16."""

    def copy_layer(layer: layers.Layer | keras.Operation) -> layers.Layer | keras.Operation:
        if not isinstance(layer, layers.Layer):
            return layer  # an operation holds neither weights nor a policy
        return type(layer).from_config(layer.get_config() | {"dtype": policy})

    copy = keras.models.clone_model(model, clone_function=copy_layer)
    copy.set_weights(model.get_weights())
    return copy


def build_trainer(model: keras.Model, packing: Packing) -> keras.Model:
    """The model, sharing its weights, applied to one packed batch.

    packing: by what choose_pack gives.
    Call arguments: the model's inputs, packed: (1, steps, ...) each.
    Returns: float32 (1, steps, n), what the model gives for each step: n numbers, or one where it gives just that.
    """
    shape = (1, len(packing.rows))
    packed = {
        name: keras.Input(batch_shape=(*shape, given.shape[-1]), dtype=given.dtype, name=name)
        for name, given in model.input.items()
    }
    apply = _apply_to_segments if is_recurrent(model) else _apply_to_blocks
    found = ops.cast(ops.reshape(apply(model, packed, packing), (*shape, -1)), "float32")
    return keras.Model(packed, found, name=f"{model.name}_trainer")


def _apply_to_segments(model: keras.Model, packed: dict, packing: Packing) -> keras.KerasTensor:
    def call(layer: layers.Layer, *args: object, **kwargs: object) -> object:
        return PackedRecurrence(layer, packing)(args[0]) if type(layer) in RUNS else layer(*args, **kwargs)

    applied = keras.models.clone_model(
        model, input_tensors=packed, clone_function=lambda layer: layer, call_function=call
    )
    return applied.output


def _apply_to_blocks(model: keras.Model, packed: dict, packing: Packing) -> keras.KerasTensor:
    found, begin = [], 0
    for part in packing.parts:
        end = begin + part.length * part.rows
        block = {
            name: ops.transpose(ops.reshape(given[0, begin:end], (part.length, part.rows, -1)), (1, 0, 2))
            for name, given in packed.items()
        }
        given = ops.reshape(model(block), (part.rows, part.length, -1))
        found.append(ops.reshape(ops.transpose(given, (1, 0, 2)), (part.length * part.rows, -1)))
        begin = end
    return ops.concatenate(found)
