"""The GRU over packed segments, with a backward pass made for training on a CPU.

The textbook gradient of a recurrent loop repeats every matrix product of a step inside the loop. Only one of them
depends on the step after it, so here the loop holds that one, and everything else is a few large products outside it
(Appleyard et al. 2016, arXiv:1604.01946, section 3). It runs on every Keras backend, and compiles.
"""

from collections.abc import Callable

import keras
from keras import ops

from ml.training.packing import Packing, Part

Tensor = object
Gates = tuple[Tensor, Tensor, Tensor, Tensor]


class PackedGRU(keras.layers.Layer):
    """Applies a GRU's cell to packed segments: what the GRU itself computes for each user.

    Call arguments:
        inputs: float (1, steps, features), packed by `packing` (see pack_segments).
    Returns: float (1, steps, units).
    """

    def __init__(self, gru: keras.layers.GRU, packing: Packing):
        super().__init__(name=f"packed_{gru.name}", dtype=gru.dtype_policy)
        self.cell, self.parts = gru.cell, packing.parts

    def call(self, inputs: Tensor) -> Tensor:
        kernel, recurrent, bias = (
            ops.cast(weight, self.compute_dtype)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        )
        projected = ops.matmul(inputs[0], kernel) + bias[0]
        return recur(self.parts)(projected, recurrent, bias[1])[None]

    def compute_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:-1], self.cell.units)


def recur(parts: tuple[Part, ...]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The recurrence of Keras' GRU (reset_after) as a function with a gradient of its own.

    projected: (steps, 3 * units), input products and biases of the update gate, the reset gate and the candidate.
    recurrent: (units, 3 * units). bias: (3 * units,), of the recurrent products. Returns: (steps, units).
    """

    @ops.custom_gradient
    def run(projected: Tensor, recurrent: Tensor, bias: Tensor) -> tuple[Tensor, Callable]:
        states, earlier = _forward(parts, projected, recurrent, bias)

        def gradients(*args: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
            given = args[0] if upstream is None else upstream
            update, reset, inner, candidate = _gates(projected, earlier, recurrent, bias)
            slope = (1 - update) * (1 - candidate * candidate)
            factors = [
                (earlier - candidate) * update * (1 - update),
                slope * inner * reset * (1 - reset),
                slope * reset,
            ]
            factors = ops.stack(factors, axis=1)
            by_state = _backward(parts, given, update, factors, ops.transpose(recurrent))
            by_product = _wide(by_state[:, None] * factors)
            units = update.shape[-1]
            by_projected = ops.concatenate([by_product[:, : 2 * units], by_state * slope], axis=1)
            return by_projected, ops.matmul(ops.transpose(earlier), by_product), ops.sum(by_product, axis=0)

        return states, gradients

    return run


def _gates(projected: Tensor, state: Tensor, recurrent: Tensor, bias: Tensor) -> Gates:
    """update, reset, the candidate's recurrent product, candidate: (batch, units) each."""
    units = state.shape[-1]
    product = ops.matmul(state, recurrent) + bias
    both = ops.sigmoid(projected[:, : 2 * units] + product[:, : 2 * units])
    update, reset, inner = both[:, :units], both[:, units:], product[:, 2 * units :]
    return update, reset, inner, ops.tanh(projected[:, 2 * units :] + reset * inner)


def _forward(parts: tuple[Part, ...], projected: Tensor, recurrent: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """(steps, units) twice: the state after each step, and before it."""

    def step(state: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        update, _, _, candidate = _gates(now, state, recurrent, bias)
        state = candidate + update * (state - candidate)
        return state, state

    state = ops.zeros((parts[0].rows, recurrent.shape[0]), dtype=projected.dtype)
    after, before = [], []
    for part, now in zip(parts, _split(parts, projected), strict=True):
        first = state[: part.rows]
        state, states = ops.scan(step, first, now, length=part.length)
        after.append(_flat(states))
        before.append(_flat(ops.concatenate([first[None], states[:-1]], axis=0)))
    return ops.concatenate(after, axis=0), ops.concatenate(before, axis=0)


def _backward(parts: tuple[Part, ...], given: Tensor, update: Tensor, factors: Tensor, transposed: Tensor) -> Tensor:
    """(steps, units): the gradient by each step's state, later steps included."""

    def step(later: Tensor, now: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        given, update, factors = now
        state = given + later
        return state * update + ops.matmul(_wide(state[:, None] * factors), transposed), state

    later, found = ops.zeros((0, given.shape[-1]), dtype=given.dtype), []
    pieces = zip(parts, *(_split(parts, values) for values in (given, update, factors)), strict=True)
    for part, *now in reversed(list(pieces)):
        ended = ops.zeros((part.rows - later.shape[0], given.shape[-1]), dtype=given.dtype)
        later, states = ops.scan(
            step, ops.concatenate([later, ended], axis=0), tuple(now), length=part.length, reverse=True
        )
        found.append(_flat(states))
    return ops.concatenate(found[::-1], axis=0)


def _split(parts: tuple[Part, ...], values: Tensor) -> list[Tensor]:
    """(steps, ...) -> one (length, rows, ...) for each part."""
    found, begin = [], 0
    for part in parts:
        end = begin + part.length * part.rows
        found.append(ops.reshape(values[begin:end], (part.length, part.rows, *values.shape[1:])))
        begin = end
    return found


def _flat(states: Tensor) -> Tensor:
    """(length, rows, units) -> (length * rows, units)."""
    return ops.reshape(states, (-1, states.shape[-1]))


def _wide(values: Tensor) -> Tensor:
    """(batch, 3, units) -> (batch, 3 * units)."""
    return ops.reshape(values, (-1, 3 * values.shape[-1]))
