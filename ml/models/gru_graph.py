"""The causal GRU as an ONNX graph, for few users at a time and for many.

For few, ONNX's own GRU operator is the fastest: one kernel, no cost for each step. But ONNX Runtime computes its gates
a number at a time; for many users a loop over the steps, whose gates are matrix products and vectorised activations,
takes a quarter less. The graph holds both ways and takes one for each batch.
"""

from string import Template

import keras
import numpy as np
from onnx import parser

from ml.models.graph import Graph
from ml.models.recurrent_graph import write_recurrent

FEW = 24  # users in a batch, up to which the operator is the faster way

# Formula: Keras's GRU with reset_after. update_in, reset_in and new_in hold what each step's input adds to the gates.
_BOTH_WAYS = Template("""
$encoded = If ($is_few) <
    then_branch = operator () => (float[time, batch, width] by_operator) {
        directions = GRU <hidden_size = $width, linear_before_reset = 1> ($values, $kernels, $recurrents, $biases)
        by_operator = Squeeze (directions, $axis_of_directions)
    },
    else_branch = loop () => (float[time, batch, width] by_loop) {
        rows = Reshape ($values, $row_shape)
        update_rows = Gemm (rows, $update_kernel, $update_bias)
        update_in = Reshape (update_rows, $value_shape)
        reset_rows = Gemm (rows, $reset_kernel, $reset_bias)
        reset_in = Reshape (reset_rows, $value_shape)
        new_rows = Gemm (rows, $new_kernel, $new_bias)
        new_in = Reshape (new_rows, $value_shape)
        start = ConstantOfShape ($state_shape)
        end, by_loop = Scan <num_scan_inputs = 3, body = step (
            float[batch, width] before, float[batch, width] update_part, float[batch, width] reset_part,
            float[batch, width] new_part
        ) => (float[batch, width] after, float[batch, width] state) {
            update_sum = Gemm (before, $update_recurrent, update_part)
            update = Sigmoid (update_sum)
            reset_sum = Gemm (before, $reset_recurrent, reset_part)
            reset = Sigmoid (reset_sum)
            remembered = Gemm (before, $new_recurrent, $remembered_bias)
            kept = Mul (reset, remembered)
            new_sum = Add (kept, new_part)
            new = Tanh (new_sum)
            difference = Sub (before, new)
            part = Mul (update, difference)
            after = Add (part, new)
            state = Identity (after)
        }> (start, update_in, reset_in, new_in)
    }
>""")


def write_gru(graph: Graph) -> None:
    write_recurrent(graph, keras.layers.GRU, _gru)


def _gru(graph: Graph, layer: str, values: str) -> str:
    """(time, batch, units) -> (time, batch, width)."""
    kernel, recurrent, biases = graph.model.get_layer(layer).get_weights()
    width = len(recurrent)
    users = graph.add("Shape", [values], start=1, end=2)
    # what the operator takes: gates below one another, in Keras's order
    operator = {"kernels": kernel.T[None], "recurrents": recurrent.T[None], "biases": biases.reshape(1, -1)}
    # what the loop takes: each gate by itself; only of the new value is the recurrent bias reset too
    added = biases[0] + np.where(np.arange(3 * width) < 2 * width, biases[1], 0)
    loop = {"remembered_bias": biases[1, 2 * width :]}
    for gate, *parts in zip(
        ("update", "reset", "new"), *(np.split(part, 3, axis=-1) for part in (kernel, recurrent, added)), strict=True
    ):
        loop |= dict(zip((f"{gate}_kernel", f"{gate}_recurrent", f"{gate}_bias"), parts, strict=True))
    constants = {"axis_of_directions": [1], "row_shape": [-1, kernel.shape[0]]} | operator | loop
    names = {name: graph.constant(value) for name, value in constants.items()}
    names |= {
        "values": values,
        "width": width,
        "is_few": graph.add("LessOrEqual", [users, graph.constant([FEW])]),
        "value_shape": graph.add("Concat", [graph.add("Shape", [values], end=2), graph.constant([width])], axis=0),
        "state_shape": graph.add("Concat", [users, graph.constant([width])], axis=0),
        "encoded": f"{layer}_encoded",
    }
    return graph.add_node(parser.parse_node(_BOTH_WAYS.substitute(names)))
