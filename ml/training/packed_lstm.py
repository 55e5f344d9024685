"""The LSTM over packed segments, with a backward pass made for training on a CPU (see ml.training.segments)."""

from collections.abc import Callable

from keras import ops

from ml.training.packing import Part
from ml.training.segments import States, Tensor, walk_back, walk_on, wide


def run_lstm(parts: tuple[Part, ...], inputs: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    """What Keras' LSTM with these weights computes: (steps, features) -> (steps, units)."""
    return _recur(parts)(ops.matmul(inputs, kernel) + bias, recurrent)


def _recur(parts: tuple[Part, ...]) -> Callable[[Tensor, Tensor], Tensor]:
    """The recurrence as a function with a gradient of its own.

    projected: (steps, 4 * units), input products and biases of the input gate, the forget gate, the candidate and the
        output gate. recurrent: (units, 4 * units). Returns: (steps, units), what the LSTM puts out.
    """

    @ops.custom_gradient
    def run(projected: Tensor, recurrent: Tensor) -> tuple[Tensor, Callable]:
        states, earlier, earlier_cell = _forward(parts, projected, recurrent)

        def gradients(*args: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
            given = args[0] if upstream is None else upstream
            gain, keep, candidate, show = _gates(projected, earlier, recurrent)
            shown = ops.tanh(keep * earlier_cell + gain * candidate)
            slope = show * (1 - shown * shown)
            factors = [
                candidate * gain * (1 - gain),
                earlier_cell * keep * (1 - keep),
                gain * (1 - candidate * candidate),
                shown * show * (1 - show),
            ]
            factors = ops.stack(factors, axis=1)
            by_product = _backward(parts, (given, keep, slope, factors), ops.transpose(recurrent))
            return by_product, ops.matmul(ops.transpose(earlier), by_product)

        return states, gradients

    return run


def _gates(projected: Tensor, state: Tensor, recurrent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the cell gains, what it keeps, its candidate, what it shows: (batch, units) each."""
    units = state.shape[-1]
    total = projected + ops.matmul(state, recurrent)
    both, candidate = ops.sigmoid(total[:, : 2 * units]), ops.tanh(total[:, 2 * units : 3 * units])
    return both[:, :units], both[:, units:], candidate, ops.sigmoid(total[:, 3 * units :])


def _forward(parts: tuple[Part, ...], projected: Tensor, recurrent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(steps, units) each: the output after each step, and output and cell before it."""

    def step(states: States, now: Tensor) -> States:
        state, cell = states
        gain, keep, candidate, show = _gates(now, state, recurrent)
        cell = keep * cell + gain * candidate
        return show * ops.tanh(cell), cell

    after, before = walk_on(parts, step, projected, states=2, units=recurrent.shape[0])
    return after[0], *before


def _backward(parts: tuple[Part, ...], values: States, transposed: Tensor) -> Tensor:
    """(steps, 4 * units): the gradient by each step's gates before their activations, later steps included.

    values: the gradient by each output, the forget gate, the slope of the output by the cell, and the slopes of cell
        (three gates) and output (the last) by the gates.
    """

    def step(later: States, now: States) -> tuple[States, States]:
        given, keep, slope, factors = now
        by_state = given + later[0]
        by_cell = later[1] + by_state * slope
        by_product = _by_gates(by_state, by_cell, factors)
        return (ops.matmul(by_product, transposed), by_cell * keep), (by_state, by_cell)

    by_state, by_cell = walk_back(parts, step, values, states=2, units=transposed.shape[-1])
    return _by_gates(by_state, by_cell, values[-1])


def _by_gates(by_state: Tensor, by_cell: Tensor, factors: Tensor) -> Tensor:
    """(batch, 4 * units)."""
    return wide(ops.stack([by_cell, by_cell, by_cell, by_state], axis=1) * factors)
