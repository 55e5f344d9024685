"""The causal GRU as an ONNX graph around ONNX's own GRU operator.

The general exporter writes a recurrent layer as a loop over small operators; the operator itself is one fused kernel.
"""

import keras

from ml.models.bundle import LOGITS, PLACES
from ml.models.graph import Graph


def write_gru(graph: Graph) -> None:
    """Values are time-major, (time, batch, units), as the operator wants them."""
    hidden = graph.step_network(time_major=True)
    layers = sum(isinstance(layer, keras.layers.GRU) for layer in graph.model.layers)
    for index in range(layers):
        parts = [_gru(graph, f"gru_{index}", hidden), hidden]
        if graph.last_only and index == layers - 1:
            parts = [graph.add("GatherND", [part, PLACES]) for part in parts]
        hidden = graph.add("Concat", parts, axis=-1)
    if graph.last_only:
        graph.head(hidden, output=LOGITS)
    else:
        graph.add("Transpose", [graph.head(hidden)], output=LOGITS, perm=[1, 0])


def _gru(graph: Graph, layer: str, values: str) -> str:
    """Both order the gates as update, reset, new; linear_before_reset is Keras's reset_after."""
    kernel, recurrent, bias = graph.model.get_layer(layer).get_weights()
    weights = [graph.constant(weight[None]) for weight in (kernel.T, recurrent.T, bias.reshape(-1))]
    width = recurrent.shape[0]
    encoded = graph.add("GRU", [values, *weights], hidden_size=width, linear_before_reset=1)
    return graph.add("Squeeze", [encoded, graph.constant([1])])  # the axis of directions
