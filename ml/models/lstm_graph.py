"""The causal LSTM as an ONNX graph: ONNX's own operator, however many users there are.

A loop over the steps such as the GRU's (`ml.models.gru_graph`) was slower for any number of them.
"""

import keras
import numpy as np

from ml.models.graph import Graph
from ml.models.recurrent_graph import write_recurrent


def write_lstm(graph: Graph) -> None:
    write_recurrent(graph, keras.layers.LSTM, _lstm)


def _lstm(graph: Graph, layer: str, values: str) -> str:
    """(time, batch, units) -> (time, batch, width)."""
    kernel, recurrent, bias = (_in_order(weight) for weight in graph.model.get_layer(layer).get_weights())
    biases = np.concatenate([bias, np.zeros_like(bias)])  # the operator has one for the recurrent products, too
    weights = [graph.constant(weight[None]) for weight in (kernel.T, recurrent.T, biases)]
    directions = graph.add("LSTM", [values, *weights], hidden_size=len(recurrent))
    return graph.add("Squeeze", [directions, graph.constant([1])])


def _in_order(weight: np.ndarray) -> np.ndarray:
    """(..., 4 * width): Keras' gates are input, forget, cell, output; ONNX's are input, output, forget, cell."""
    gain, keep, cell, show = np.split(weight, 4, axis=-1)
    return np.concatenate([gain, show, keep, cell], axis=-1)
