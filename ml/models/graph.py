"""An ONNX graph under construction: what every architecture writes in the same way."""

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ml.models.bundle import LOGITS, PLACES
from ml.models.step_network import PiecewiseLinear

OPSET, IR_VERSION = 23, 11


class Graph:
    """Nodes and weights of what a model of `ml.models.network.build_model` computes without training, for any batch
    and length.

    Inputs: the model's own. Output: logits, float32 (batch, time).
    With last_only: one input more, places, int64 (batch, 2), each user's last step and row, and of the logits only
    those, float32 (batch,). ONNX Runtime computes every output of a graph, asked for or not, hence two graphs.
    """

    def __init__(self, model: keras.Model, *, last_only: bool):
        self.model, self.last_only = model, last_only
        self._nodes, self._weights = [], {}

    def add(self, operator: str, inputs: list[str], *, output: str | None = None, **attributes: object) -> str:
        name = output or f"value_{len(self._nodes)}"
        return self.add_node(helper.make_node(operator, inputs, [name], **attributes))

    def add_node(self, node: onnx.NodeProto) -> str:
        """Its one output's name."""
        self._nodes.append(node)
        return node.output[0]

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
        encoded = [self._encode(layer, numeric) for layer in self.model.layers if isinstance(layer, PiecewiseLinear)]
        parts = [*encoded, numeric]
        for index in range(self.model.input["categorical"].shape[-1]):
            (table,) = self.model.get_layer(f"embedding_{index}").get_weights()
            column = self.add("Gather", [codes, self.constant(index)], axis=2)
            parts.append(self.add("Gather", [self.constant(table), column]))
        step = self.add("Concat", parts, axis=2)
        units, width = self._see(step)
        shape = self.add("Concat", [self.add("Shape", [step], end=2), self.constant([width])], axis=0)
        return self.add("Reshape", [units, shape])

    def _see(self, step: str) -> tuple[str, int]:
        """Each step as a row of one matrix, for which ONNX Runtime has a kernel of product, bias and activation
        together; and the row's length."""
        names = [layer.name for layer in self.model.layers]
        kernel, bias = self.model.get_layer("step_network").get_weights()
        given = self._gemm("step_network", self.add("Reshape", [step, self.constant([-1, len(kernel)])]))
        if "cross" in names:
            product = self.add("Mul", [given, self._gemm("cross", given)])
            given = self._gemm("cross_network", self.add("Add", [given, product]))
        return self.add("Relu", [given]), len(bias)

    def _gemm(self, layer: str, rows: str) -> str:
        kernel, bias = self.model.get_layer(layer).get_weights()
        return self.add("Gemm", [rows, self.constant(kernel), self.constant(bias)])

    def _encode(self, layer: PiecewiseLinear, numeric: str) -> str:
        """See PiecewiseLinear."""
        begins, slopes = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
        chosen = self.add("Gather", [numeric, self.constant(layer.columns)], axis=-1)
        apart = self.add("Unsqueeze", [chosen, self.constant([-1])])
        come = self.add("Mul", [self.add("Sub", [apart, self.constant(begins)]), self.constant(slopes)])
        clipped = self.add("Clip", [come, self.constant(np.float32(0)), self.constant(np.float32(1))])
        return self.add("Reshape", [clipped, self.constant([0, 0, begins.size])])

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
        shapes = {name: ["batch", "time", given.shape[-1]] for name, given in self.model.input.items()}
        kinds = {"numeric": TensorProto.FLOAT, "categorical": TensorProto.INT32}
        if self.last_only:
            shapes[PLACES], kinds[PLACES] = ["batch", 2], TensorProto.INT64
        inputs = [helper.make_tensor_value_info(name, kinds[name], shape) for name, shape in shapes.items()]
        shape = ["batch"] if self.last_only else ["batch", "time"]
        output = helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._nodes, self.model.name, inputs, [output], list(self._weights.values()))
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return proto
