"""The GRU over packed segments, with a backward pass made for training on a CPU (see ml.training.segments)."""

from collections.abc import Callable

from keras import ops

from ml.training.packing import Part
from ml.training.segments import States, Tensor, walk_back, walk_on, wide

Gates = tuple[Tensor, Tensor, Tensor, Tensor]


def run_gru(parts: tuple[Part, ...], inputs: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    """What Keras' GRU (reset_after) with these weights computes: (steps, features) -> (steps, units)."""
    return _recur(parts)(ops.matmul(inputs, kernel) + bias[0], recurrent, bias[1])


def _recur(parts: tuple[Part, ...]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The recurrence as a function with a gradient of its own.

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
            by_product = wide(by_state[:, None] * factors)
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

    def step(states: States, now: Tensor) -> States:
        (state,) = states
        update, _, _, candidate = _gates(now, state, recurrent, bias)
        return (candidate + update * (state - candidate),)

    (after,), (before,) = walk_on(parts, step, projected, states=1, units=recurrent.shape[0])
    return after, before


def _backward(parts: tuple[Part, ...], given: Tensor, update: Tensor, factors: Tensor, transposed: Tensor) -> Tensor:
    """(steps, units): the gradient by each step's state, later steps included."""

    def step(later: States, now: States) -> tuple[States, States]:
        given, update, factors = now
        state = given + later[0]
        return (state * update + ops.matmul(wide(state[:, None] * factors), transposed),), (state,)

    (by_state,) = walk_back(parts, step, (given, update, factors), states=1, units=given.shape[-1])
    return by_state
