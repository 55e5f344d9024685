"""A recurrence over packed segments, forwards and backwards, whatever its cell.

The textbook gradient of a recurrent loop repeats every matrix product of a step inside the loop. Only one of them
depends on the step after it, so the cells' gradients (`ml.training.packed_gru`, `ml.training.packed_lstm`) hold that
one in the loop, and everything else is a few large products outside it (Appleyard et al. 2016, arXiv:1604.01946,
section 3). It runs on every Keras backend, and compiles.
"""

from collections.abc import Callable

from keras import ops

from ml.training.packing import Part

Tensor = object
States = tuple[Tensor, ...]


def walk_on(
    parts: tuple[Part, ...], step: Callable[[States, Tensor], States], values: Tensor, *, states: int, units: int
) -> tuple[States, States]:
    """Runs a cell over every step, each part from where the part before it ended.

    step: (the states before a step, its values) -> the states after it, (rows, units) each.
    values: (steps, ...). states: how many the cell has; they start at 0.
    Returns: the states after each step and those before it, (steps, units) each.
    """

    def once(carried: States, now: Tensor) -> tuple[States, States]:
        carried = step(carried, now)
        return carried, carried

    carried = (ops.zeros((parts[0].rows, units), dtype=values.dtype),) * states
    after, before = [], []
    for part, now in zip(parts, _split(parts, values), strict=True):
        first = tuple(state[: part.rows] for state in carried)
        carried, found = ops.scan(once, first, now, length=part.length)
        after.append(found)
        before.append(
            [ops.concatenate([start[None], state[:-1]], axis=0) for start, state in zip(first, found, strict=True)]
        )
    return _join(after), _join(before)


def walk_back(
    parts: tuple[Part, ...],
    step: Callable[[States, States], tuple[States, States]],
    values: States,
    *,
    states: int,
    units: int,
) -> States:
    """Runs a cell's gradient over every step, the last one first.

    step: (the gradients by the states after a step, as later steps want them; its values) -> (the gradients by the
        states before it, those by the states after it as all want them), (rows, units) each.
    values: (steps, ...) each.
    Returns: what `step` gave second, (steps, units) each.
    """
    later, found = (ops.zeros((0, units), dtype=values[0].dtype),) * states, []
    pieces = zip(parts, *(_split(parts, each) for each in values), strict=True)
    for part, *now in reversed(list(pieces)):
        ended = ops.zeros((part.rows - later[0].shape[0], units), dtype=values[0].dtype)
        later = tuple(ops.concatenate([each, ended], axis=0) for each in later)
        later, wanted = ops.scan(step, later, tuple(now), length=part.length, reverse=True)
        found.append(wanted)
    return _join(found[::-1])


def wide(values: Tensor) -> Tensor:
    """(batch, gates, units) -> (batch, gates * units)."""
    return ops.reshape(values, (-1, values.shape[1] * values.shape[2]))


def _split(parts: tuple[Part, ...], values: Tensor) -> list[Tensor]:
    """(steps, ...) -> one (length, rows, ...) for each part."""
    found, begin = [], 0
    for part in parts:
        end = begin + part.length * part.rows
        found.append(ops.reshape(values[begin:end], (part.length, part.rows, *values.shape[1:])))
        begin = end
    return found


def _join(parts: list[States]) -> States:
    """(length, rows, units) of each part and state -> (steps, units) of each state."""
    flat = ([ops.reshape(state, (-1, state.shape[-1])) for state in part] for part in parts)
    return tuple(ops.concatenate(pieces, axis=0) for pieces in zip(*flat, strict=True))
