"""The causal GRU as an ONNX graph around ONNX's own GRU operator.

The general exporter writes a recurrent layer as a loop over small operators; the operator itself is one fused kernel.
"""

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PLACES = "places"


def gru_graph(model: keras.Model) -> onnx.ModelProto:
    """What `ml.models.gru.build_model` computes without training, for any batch and length.

    Inputs: the model's own, and optionally places, int64 (places, 2): a step and a user of the batch each.
    Outputs: logits, float32 (batch, time); placed_logits, float32 (places,), the logits at those places only, for
    whom the head need not run at every step.
    """
    graph = _Graph(model)
    hidden = graph.dense("step_network", graph.step(), relu=True)
    for index in range(sum(isinstance(layer, keras.layers.GRU) for layer in model.layers)):
        hidden = graph.add("Concat", [graph.gru(f"gru_{index}", hidden), hidden], axis=2)
    logits = graph.head(hidden)
    graph.add("Transpose", [logits], output="logits", perm=[1, 0])
    graph.head(graph.add("GatherND", [hidden, PLACES]), output="placed_logits")
    return graph.proto()


class _Graph:
    """Nodes and weights under construction. Values are time-major, (time, batch, units), as the operator wants them."""

    def __init__(self, model: keras.Model):
        self._model, self._nodes, self._weights = model, [], []

    def add(self, operator: str, inputs: list[str], *, output: str | None = None, **attributes: object) -> str:
        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def step(self) -> str:
        """The numbers and the embedded codes of each step."""
        parts = [self.add("Transpose", ["numeric"], perm=[1, 0, 2])]
        codes = self.add("Transpose", ["categorical"], perm=[1, 0, 2])
        for index in range(self._model.input["categorical"].shape[-1]):
            (table,) = self._model.get_layer(f"embedding_{index}").get_weights()
            column = self.add("Gather", [codes, self.constant(np.int64(index))], axis=2)
            parts.append(self.add("Gather", [self.constant(table), column]))
        return self.add("Concat", parts, axis=2)

    def dense(self, layer: str, values: str, *, relu: bool) -> str:
        kernel, bias = self._model.get_layer(layer).get_weights()
        product = self.add("MatMul", [values, self.constant(kernel)])
        total = self.add("Add", [product, self.constant(bias)])
        return self.add("Relu", [total]) if relu else total

    def head(self, values: str, *, output: str | None = None) -> str:
        """(..., units) -> (...)."""
        logits = self.dense("head", self.dense("head_network", values, relu=True), relu=False)
        return self.add("Squeeze", [logits, self.constant(np.array([-1]))], output=output)

    def gru(self, layer: str, values: str) -> str:
        """Both order the gates as update, reset, new; linear_before_reset is Keras's reset_after."""
        kernel, recurrent, bias = self._model.get_layer(layer).get_weights()
        weights = [self.constant(weight[None]) for weight in (kernel.T, recurrent.T, bias.reshape(-1))]
        width = recurrent.shape[0]
        encoded = self.add("GRU", [values, *weights], hidden_size=width, linear_before_reset=1)
        return self.add("Squeeze", [encoded, self.constant(np.array([1]))])  # the axis of directions

    def proto(self) -> onnx.ModelProto:
        shapes = self._model.input
        inputs = [
            helper.make_tensor_value_info(name, kind, ["batch", "time", shapes[name].shape[-1]])
            for name, kind in (("numeric", TensorProto.FLOAT), ("categorical", TensorProto.INT32))
        ]
        inputs.append(helper.make_tensor_value_info(PLACES, TensorProto.INT64, ["places", 2]))
        default = numpy_helper.from_array(np.zeros((1, 2), np.int64), PLACES)  # makes the input optional
        outputs = [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "time"]),
            helper.make_tensor_value_info("placed_logits", TensorProto.FLOAT, ["places"]),
        ]
        graph = helper.make_graph(self._nodes, self._model.name, inputs, outputs, [*self._weights, default])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(proto)
        return proto
