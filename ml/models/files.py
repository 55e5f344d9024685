"""A model as files: .keras for training on, .onnx for scoring without TensorFlow."""

from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime

from ml.errors import ExitCode, TrailguardError
from ml.files import new_file
from ml.models.bundle import EVERY_STEP, LAST_STEP, LOGITS, PLACES
from ml.models.config import Architecture
from ml.models.graph import Graph
from ml.models.gru_graph import write_gru
from ml.models.lstm_graph import write_lstm
from ml.models.transformer_graph import write_transformer

TOLERANCE = 1e-5
WRITERS = {
    Architecture.GRU: write_gru,
    Architecture.LSTM: write_lstm,
    Architecture.TRANSFORMER: write_transformer,
    Architecture.FUSION: write_gru,
}


class ExportDiffers(TrailguardError):
    """The exported ONNX model does not compute what the Keras model computes.

    The bundle is not written. Report it with the versions of keras, onnx and onnxruntime.
    """

    exit_code = ExitCode.BUG


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes the .keras archive."""
    with new_file(path) as unfinished:
        model.save(unfinished)


def load_keras(path: Path) -> keras.Model:
    """Reads a .keras archive in safe mode: no code from the file is run."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def export_onnx(model: keras.Model, folder: Path) -> float:
    """Writes EVERY_STEP and LAST_STEP (see ml.models.graph.Graph) and returns the largest difference of a logit to
    Keras.

    Raises ExportDiffers beyond TOLERANCE.
    """
    return max(_export(model, folder / name, last_only=name == LAST_STEP) for name in (EVERY_STEP, LAST_STEP))


def _export(model: keras.Model, path: Path, *, last_only: bool) -> float:
    graph = Graph(model, last_only=last_only)
    WRITERS[Architecture(model.name)](graph)
    with new_file(path) as unfinished:
        onnx.save(graph.proto(), unfinished)
        difference = onnx_difference(model, unfinished)
        if difference > TOLERANCE:
            raise ExportDiffers(difference=difference, tolerance=TOLERANCE)
    return difference


def onnx_difference(model: keras.Model, path: Path) -> float:
    """The largest absolute difference of a logit between the two, over batches of varied size and length.

    One user and many: an architecture may compute them in different ways.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    last_only = PLACES in {given.name for given in session.get_inputs()}
    differences = []
    for seed, (users, length) in enumerate(((1, 1), (3, 2), (2, 7), (64, 40), (1, 200))):
        inputs = _random_inputs(model, users, length, seed)
        expected = keras.ops.convert_to_numpy(model(inputs, training=False))
        if last_only:
            last, rows = (np.arange(users) + length - 1) % length, np.arange(users)
            inputs, expected = {**inputs, PLACES: np.stack([last, rows], axis=1)}, expected[rows, last]
        differences.append(np.abs(session.run([LOGITS], inputs)[0] - expected).max())
    return float(max(differences))


def _random_inputs(model: keras.Model, users: int, length: int, seed: int) -> dict[str, np.ndarray]:
    """Inputs such as training gives: standardised numbers, codes 0 (padding) and 1 (unknown)."""
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(users, length, model.input["numeric"].shape[-1])).astype(np.float32)
    categorical = rng.integers(0, 2, size=(users, length, model.input["categorical"].shape[-1]), dtype=np.int32)
    return {"numeric": numeric, "categorical": categorical}
