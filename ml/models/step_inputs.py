"""The first weights of a model, taken apart input by input: what each number and each code adds to `step_network`."""

from dataclasses import dataclass

import keras
import numpy as np

from ml.models.config import ModelConfig


@dataclass(frozen=True)
class StepInputs:
    """rows: float32 (numbers, pieces + 1, width), what each number adds: its pieces, and it itself; 0 for the pieces of
    numbers that the model does not encode. cuts: float32 (2, numbers, pieces), where pieces begin and their slopes.
    tables: of each categorical input, float32 (codes, units). code_rows: what its units add, float32 (units, width).
    bias: float32 (width,).
    """

    rows: np.ndarray
    cuts: np.ndarray
    tables: list[np.ndarray]
    code_rows: list[np.ndarray]
    bias: np.ndarray

    @classmethod
    def of(cls, model: keras.Model, config: ModelConfig) -> "StepInputs":
        """Of a model or its backbone."""
        kernel, bias = model.get_layer("step_network").get_weights()
        numbers, width = config.numeric, config.width
        known = np.stack(layer.get_weights()) if (layer := _encoding(model)) else np.zeros((2, 0, 0))
        pieces, columns = known.shape[2], list(config.encoded)
        encoded, plain, coded = np.split(kernel, np.cumsum([len(columns) * pieces, numbers]))
        rows, cuts = np.zeros((numbers, pieces + 1, width), np.float32), np.zeros((2, numbers, pieces), np.float32)
        rows[:, -1], rows[columns, :-1] = plain, encoded.reshape(len(columns), pieces, width)
        cuts[:, columns] = known
        tables = [layer.get_weights()[0] for layer in _embeddings(model, config)]
        ends = np.cumsum([table.shape[1] for table in tables])
        return cls(rows, cuts, tables, np.split(coded, ends[:-1]), bias)

    def give(self, model: keras.Model, config: ModelConfig) -> None:
        """To a model of the same inputs."""
        columns = list(config.encoded)
        encoded, plain = self.rows[columns, :-1].reshape(-1, config.width), self.rows[:, -1]
        kernel = np.concatenate([encoded, plain, *self.code_rows])
        model.get_layer("step_network").set_weights([kernel, self.bias])
        if layer := _encoding(model):
            layer.set_weights(list(self.cuts[:, columns]))
        for layer, table in zip(_embeddings(model, config), self.tables, strict=True):
            layer.set_weights([table])

    def added(self, number: int, value: float) -> np.ndarray:
        """float32 (width,): what a number adds where it has this value."""
        begins, slopes = self.cuts[:, number]
        return np.append(np.clip((value - begins) * slopes, 0, 1), value) @ self.rows[number]


def is_step_input(layer: keras.layers.Layer) -> bool:
    """Whether the layer's weights are what StepInputs holds."""
    return layer.name in ("step_network", "encoding") or layer.name.startswith("embedding_")


def _encoding(model: keras.Model) -> keras.layers.Layer | None:
    return next((layer for layer in model.layers if layer.name == "encoding"), None)


def _embeddings(model: keras.Model, config: ModelConfig) -> list[keras.layers.Layer]:
    return [model.get_layer(f"embedding_{index}") for index in range(len(config.vocabulary_sizes))]
