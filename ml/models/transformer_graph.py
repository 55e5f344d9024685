"""The causal Transformer as an ONNX graph of standard operators.

Attention is written as two batched products and a softmax, which ONNX Runtime computes faster on a CPU than its fused
attention operators. Where only the last steps' logits are wanted, the last block computes its keys and values at every
step and the rest at those steps.
"""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from ml.models.bundle import LOGITS, PLACES
from ml.models.graph import Graph
from ml.models.transformer import RotaryAttention, frequencies

SHUT = 30.0  # nats by which a step that is not to be seen falls behind every other: rounding knows no weight of e^-30


def write_transformer(graph: Graph) -> None:
    """Values are batch-major, (batch, time, units)."""
    blocks = sum(isinstance(layer, RotaryAttention) for layer in graph.model.layers)
    stream, writer = graph.step_network(), _Writer(graph)
    for index in range(blocks):
        last_only = graph.last_only and index == blocks - 1
        stream = writer.block(index, stream, writer.last(stream) if last_only else writer.all(stream))
    stream = writer.norm("norm", stream)
    if graph.last_only:
        stream = graph.add("Squeeze", [stream, graph.constant([1])])
    graph.head(stream, output=LOGITS)


@dataclass(frozen=True)
class _Asked:
    """The steps that a block's output is wanted at: all, or each user's last.

    stream: (batch, asked, width), what has come so far. position: int64 (batch, asked).
    later: float (time, time) or (batch, 1, 1, time), 1 where a step comes after the asked one.
    """

    stream: str
    position: str
    later: str


class _Writer:
    """Writes blocks; what depends on the batch's shape alone is computed once for all of them."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.heads = graph.model.get_layer("attention_0").heads
        self.units = graph.model.get_layer("attention_in_0").units // (3 * self.heads)
        self.scale = np.float32(1 / np.sqrt(self.units))
        batch, time = (graph.add("Shape", ["numeric"], start=axis, end=axis + 1) for axis in (0, 1))
        steps = graph.add("Range", [graph.constant(0), graph.add("Squeeze", [time]), graph.constant(1)])
        self.position = graph.add("Expand", [steps, graph.add("Concat", [batch, time], axis=0)])
        row, column = (graph.add("Unsqueeze", [steps, graph.constant([axis])]) for axis in (1, 0))
        self.later = graph.add("Cast", [graph.add("Less", [row, column])], to=TensorProto.FLOAT)
        turned = graph.add("Cast", [row], to=TensorProto.FLOAT)
        angles = graph.add("Mul", [turned, graph.constant(frequencies(self.units))])
        self.turns = [graph.add("Cos", [angles]), graph.add("Sin", [angles])]

    def all(self, stream: str) -> _Asked:
        return _Asked(stream, self.position, self.later)

    def last(self, stream: str) -> _Asked:
        graph = self.graph
        step = graph.add("Gather", [PLACES, graph.constant([0])], axis=1)
        chosen = graph.add("GatherND", [stream, step], batch_dims=1)
        later = graph.add("Gather", [self.later, step])  # (batch, 1, time)
        first = graph.constant([1])
        return _Asked(graph.add("Unsqueeze", [chosen, first]), step, graph.add("Unsqueeze", [later, first]))

    def block(self, index: int, stream: str, asked: _Asked) -> str:
        """stream: at every step. Returns the next stream where it is asked for."""
        graph = self.graph
        found = graph.dense(f"attention_out_{index}", self._attend(index, stream, asked))
        attended = graph.add("Add", [asked.stream, found])
        wide = graph.dense(f"feed_forward_in_{index}", self.norm(f"feed_forward_norm_{index}", attended))
        wide = graph.add("Gelu", [wide], approximate="tanh")
        return graph.add("Add", [attended, graph.dense(f"feed_forward_out_{index}", wide)])

    def norm(self, name: str, values: str) -> str:
        layer = self.graph.model.get_layer(name)
        scale = self.graph.constant(layer.get_weights()[0])
        return self.graph.add("RMSNormalization", [values, scale], axis=-1, epsilon=layer.epsilon)

    def _attend(self, index: int, stream: str, asked: _Asked) -> str:
        graph, norm = self.graph, f"attention_norm_{index}"
        (kernel,) = graph.model.get_layer(f"attention_in_{index}").get_weights()
        by_query, by_key, by_value = np.split(kernel, 3, axis=1)
        seen = self.norm(norm, stream)
        asking = seen if asked.stream == stream else self.norm(norm, asked.stream)
        query = self._turn(graph.add("MatMul", [asking, graph.constant(by_query * self.scale)]), asked.position)
        key = self._turn(graph.add("MatMul", [seen, graph.constant(by_key)]), self.position)
        value = graph.add("MatMul", [seen, graph.constant(by_value)])
        query, value = (self._by_head(values, perm=[0, 2, 1, 3]) for values in (query, value))
        weights = self._weigh(graph.add("MatMul", [query, self._by_head(key, perm=[0, 2, 3, 1])]), asked.later)
        joined = graph.add("Transpose", [graph.add("MatMul", [weights, value])], perm=[0, 2, 1, 3])
        return graph.add("Reshape", [joined, graph.constant([0, 0, self.heads * self.units])])

    def _weigh(self, scores: str, later: str) -> str:
        """The softmax over the steps seen. Minus infinity for the others would leave subnormal numbers behind, with
        which a CPU computes many times slower."""
        graph = self.graph
        least, most = (graph.add(operator, [scores], keepdims=0) for operator in ("ReduceMin", "ReduceMax"))
        depth = graph.add("Sub", [graph.add("Sub", [least, most]), graph.constant(np.float32(SHUT))])
        return graph.add("Softmax", [graph.add("Add", [scores, graph.add("Mul", [later, depth])])], axis=-1)

    def _turn(self, values: str, position: str) -> str:
        return self.graph.add("RotaryEmbedding", [values, *self.turns, position], num_heads=self.heads)

    def _by_head(self, values: str, *, perm: list[int]) -> str:
        """(batch, steps, width) -> (batch, steps, heads, units), with its axes in another order."""
        split = self.graph.add("Reshape", [values, self.graph.constant([0, 0, self.heads, self.units])])
        return self.graph.add("Transpose", [split], perm=perm)
