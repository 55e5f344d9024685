"""`python -m tests.integration.fit_start FOLDER`: fits the folder's start.keras to its snapshot, without TensorFlow."""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.modules["tensorflow"] = None  # an import of it fails

from ml.models.files import export_onnx, load_keras
from ml.sequences.features import Featurizer
from ml.training.config import TrainingConfig
from ml.training.fit import fit_model
from ml.training.snapshot import Snapshot
from ml.training.steps import both_ends, targeted_steps

# Dropout draws each backend's and each worker's own masks, so that only without it they compute the same.
CONFIG = TrainingConfig(width=8, dropout=0.0, epochs=12, patience=12, users_per_step=16, learning_rate=5e-3)


def fit_start(folder: Path) -> dict[str, object]:
    """The curves, and the largest difference of a logit between the fitted model and its ONNX twin."""
    snapshot, model = Snapshot.load(folder / "snapshot"), load_keras(folder / "start.keras")
    sequences = both_ends(snapshot.slice("train"), snapshot.window)
    featurizer = Featurizer.fit(sequences, extras=snapshot.extras, window=snapshot.window, record=snapshot.record)
    training, validation = (
        targeted_steps(part, featurizer)
        for part in (sequences, both_ends(snapshot.slice("validation"), snapshot.window))
    )
    curves = fit_model(model, training, validation, featurizer=featurizer, config=CONFIG, seed=3)
    return curves.to_dict() | {"onnx_difference": export_onnx(model, folder)}


if __name__ == "__main__":
    print(json.dumps(fit_start(Path(sys.argv[1]))))  # noqa: T201
