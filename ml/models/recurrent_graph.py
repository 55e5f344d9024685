"""A causal recurrent encoder as an ONNX graph, whatever its layers."""

from collections.abc import Callable

import keras

from ml.models.bundle import LOGITS, PLACES
from ml.models.graph import Graph


def write_recurrent(graph: Graph, kind: type[keras.layers.Layer], write: Callable[[Graph, str, str], str]) -> None:
    """Values are time-major, (time, batch, units), as ONNX's recurrent operators and its loops want them.

    write: (graph, name of a layer, its values) -> the layer's output, (time, batch, width).
    """
    hidden = graph.step_network(time_major=True)
    layers = [layer.name for layer in graph.model.layers if isinstance(layer, kind)]
    for layer in layers:
        parts = [write(graph, layer, hidden), hidden]
        if graph.last_only and layer == layers[-1]:
            parts = [graph.add("GatherND", [part, PLACES]) for part in parts]
        hidden = graph.add("Concat", parts, axis=-1)
    if graph.last_only:
        graph.head(hidden, output=LOGITS)
    else:
        graph.add("Transpose", [graph.head(hidden)], output=LOGITS, perm=[1, 0])
