"""The causal Transformer as an ONNX graph of standard operators.

Attention is written as two batched products and a softmax, which ONNX Runtime computes faster on a CPU than its fused
attention operators. Where logits are asked for at some places only, the last block computes keys and values at every
step and the rest at those places.
"""

from dataclasses import dataclass

import numpy as np

from ml.models.graph import PLACES, Graph
from ml.models.transformer import RotaryAttention, frequencies


@dataclass(frozen=True)
class _Asked:
    """Where a block's output is wanted: at every step, or at one step of each of some users.

    stream: (users, asked, width), what has come so far. position: int64 (users, asked), each asked step's.
    bias: (time, time) or (users, 1, 1, time), 0 where an asked step sees a step, else minus infinity.
    user: int64 (users,), their rows of the batch; None where it is all of it.
    """

    stream: str
    position: str
    bias: str
    user: str | None = None


def write_transformer(graph: Graph) -> None:
    """Values are batch-major, (batch, time, units)."""
    writer = _Writer(graph)
    blocks = sum(isinstance(layer, RotaryAttention) for layer in graph.model.layers)
    stream = graph.step_network()
    for index in range(blocks - 1):
        stream = writer.block(index, stream, writer.everywhere(stream))
    everywhere = writer.block(blocks - 1, stream, writer.everywhere(stream))
    placed = writer.block(blocks - 1, stream, writer.at_places(stream))
    graph.head(writer.norm("norm", everywhere), output="logits")
    graph.add("Squeeze", [graph.head(writer.norm("norm", placed)), graph.constant([1])], output="placed_logits")


class _Writer:
    """Writes blocks; what depends on the batch's shape alone is computed once for all of them."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.heads = graph.model.get_layer("attention_0").heads
        self.units = graph.model.get_layer("attention_in_0").output.shape[-1] // (3 * self.heads)
        batch, time = (graph.add("Shape", ["numeric"], start=axis, end=axis + 1) for axis in (0, 1))
        steps = graph.add("Range", [graph.constant(0), graph.add("Squeeze", [time]), graph.constant(1)])
        self.position = graph.add("Expand", [steps, graph.add("Concat", [batch, time], axis=0)])
        angles = graph.add("Cast", [graph.add("Unsqueeze", [steps, graph.constant([1])])], to=1)
        angles = graph.add("Mul", [angles, graph.constant(frequencies(self.units))])
        self.turns = [graph.add("Cos", [angles]), graph.add("Sin", [angles])]
        row, column = (graph.add("Unsqueeze", [steps, graph.constant([axis])]) for axis in (1, 0))
        later = graph.add("Greater", [column, row])
        self.bias = graph.add(
            "Where", [later, graph.constant(np.float32(-np.inf)), graph.constant(np.float32(0))]
        )  # (time, time)

    def everywhere(self, stream: str) -> _Asked:
        return _Asked(stream, self.position, self.bias)

    def at_places(self, stream: str) -> _Asked:
        graph, first = self.graph, self.graph.constant([1])
        step, user = (graph.add("Gather", [PLACES, graph.constant(column)], axis=1) for column in (0, 1))
        swapped = graph.add("Gather", [PLACES, graph.constant([1, 0])], axis=1)
        bias = graph.add("Unsqueeze", [graph.add("Gather", [self.bias, step]), graph.constant([1, 2])])
        chosen = graph.add("Unsqueeze", [graph.add("GatherND", [stream, swapped]), first])
        return _Asked(chosen, graph.add("Unsqueeze", [step, first]), bias, user)

    def block(self, index: int, stream: str, asked: _Asked) -> str:
        """stream: at every step. Returns the next stream where it is asked for."""
        graph = self.graph
        found = graph.dense(f"attention_out_{index}", self._attend(index, stream, asked))
        attended = graph.add("Add", [asked.stream, found])
        wide = graph.dense(f"feed_forward_in_{index}", self.norm(f"feed_forward_norm_{index}", attended))
        wide = graph.add("Gelu", [wide], approximate="tanh")
        return graph.add("Add", [attended, graph.dense(f"feed_forward_out_{index}", wide)])

    def norm(self, layer: str, values: str) -> str:
        (scale,) = self.graph.model.get_layer(layer).get_weights()
        epsilon = self.graph.model.get_layer(layer).epsilon
        return self.graph.add("RMSNormalization", [values, self.graph.constant(scale)], axis=-1, epsilon=epsilon)

    def _attend(self, index: int, stream: str, asked: _Asked) -> str:
        graph, norm = self.graph, f"attention_norm_{index}"
        (kernel,) = graph.model.get_layer(f"attention_in_{index}").get_weights()
        query_kernel, key_kernel, value_kernel = np.split(kernel, 3, axis=1)
        seen, asking = self.norm(norm, stream), self.norm(norm, asked.stream)
        query = graph.add("MatMul", [asking, graph.constant(query_kernel / np.float32(np.sqrt(self.units)))])
        key, value = (graph.add("MatMul", [seen, graph.constant(weights)]) for weights in (key_kernel, value_kernel))
        query = self._by_head(self._turn(query, asked.position), perm=[0, 2, 1, 3])
        key = self._of_users(self._by_head(self._turn(key, self.position), perm=[0, 2, 3, 1]), asked.user)
        value = self._of_users(self._by_head(value, perm=[0, 2, 1, 3]), asked.user)
        scores = graph.add("Add", [graph.add("MatMul", [query, key]), asked.bias])
        found = graph.add("MatMul", [graph.add("Softmax", [scores], axis=-1), value])
        joined = graph.add("Transpose", [found], perm=[0, 2, 1, 3])
        return graph.add("Reshape", [joined, graph.constant([0, 0, self.heads * self.units])])

    def _turn(self, values: str, position: str) -> str:
        return self.graph.add("RotaryEmbedding", [values, *self.turns, position], num_heads=self.heads)

    def _by_head(self, values: str, *, perm: list[int]) -> str:
        """(users, steps, width) -> (users, steps, heads, units), with its axes in another order."""
        split = self.graph.add("Reshape", [values, self.graph.constant([0, 0, self.heads, self.units])])
        return self.graph.add("Transpose", [split], perm=perm)

    def _of_users(self, values: str, user: str | None) -> str:
        return values if user is None else self.graph.add("Gather", [values, user])
