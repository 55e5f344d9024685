"""An ONNX graph under construction: what every architecture writes in the same way."""

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PLACES = "places"
OPSET, IR_VERSION = 23, 11


class Graph:
    """Nodes and weights of what a model of `ml.models.network.build_model` computes without training, for any batch
    and length.

    Inputs: the model's own, and optionally places, int64 (places, 2): a step and a user of the batch each.
    Outputs: logits, float32 (batch, time); placed_logits, float32 (places,), the logits at those places only, for
    whom the rest need not be computed.
    """

    def __init__(self, model: keras.Model):
        self.model, self._nodes, self._weights = model, [], {}

    def add(self, operator: str, inputs: list[str], *, output: str | None = None, **attributes: object) -> str:
        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: np.ndarray | int | list[int]) -> str:
        values = np.array(values, order="C")
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._weights:
            self._weights[key] = numpy_helper.from_array(values, f"weight_{len(self._weights)}")
        return self._weights[key].name

    def step_network(self, *, time_major: bool = False) -> str:
        """float32 (batch, time, width), or (time, batch, width): each step by itself."""
        numeric, codes = (
            self.add("Transpose", [name], perm=[1, 0, 2]) if time_major else name for name in ("numeric", "categorical")
        )
        parts = [numeric]
        for index in range(self.model.input["categorical"].shape[-1]):
            (table,) = self.model.get_layer(f"embedding_{index}").get_weights()
            column = self.add("Gather", [codes, self.constant(index)], axis=2)
            parts.append(self.add("Gather", [self.constant(table), column]))
        return self.add("Relu", [self.dense("step_network", self.add("Concat", parts, axis=2))])

    def dense(self, layer: str, values: str) -> str:
        """(..., units) -> (..., the layer's units), without its activation."""
        kernel, *bias = self.model.get_layer(layer).get_weights()
        product = self.add("MatMul", [values, self.constant(kernel)])
        return self.add("Add", [product, self.constant(bias[0])]) if bias else product

    def head(self, values: str, *, output: str | None = None) -> str:
        """(..., units) -> (...)."""
        logits = self.dense("head", self.add("Relu", [self.dense("head_network", values)]))
        return self.add("Squeeze", [logits, self.constant([-1])], output=output)

    def proto(self) -> onnx.ModelProto:
        """The finished graph, named after the architecture."""
        shapes = self.model.input
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
        weights = [*self._weights.values(), default]
        graph = helper.make_graph(self._nodes, self.model.name, inputs, outputs, weights)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return proto
