"""The causal GRU: later steps and padding change nothing, and its files say what it says."""

import ast
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ml.models.baseline import Baseline, baseline_columns
from ml.models.config import ModelConfig
from ml.sequences.features import Featurizer, Steps

ROOT = Path(__file__).parents[2]
CONFIG = ModelConfig(numeric=5, vocabulary_sizes=(4, 9), width=8, layers=2)


@pytest.fixture(scope="module")
def model():
    from ml.models.gru import build_model

    return build_model(CONFIG)


def inputs(users: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "numeric": rng.normal(size=(users, length, 5)).astype(np.float32),
        "categorical": rng.integers(1, 4, size=(users, length, 2), dtype=np.int32),
    }


def logits(model, given: dict[str, np.ndarray]) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(model(given, training=False))


def test_there_is_a_logit_at_every_step(model):
    found = logits(model, inputs(3, 7))
    assert found.shape == (3, 7)
    assert len(np.unique(found)) == 21


def test_extra_padding_never_changes_the_result(model):
    given = inputs(3, 7)
    padded = {name: np.pad(values, ((0, 0), (0, 9), (0, 0))) for name, values in given.items()}
    np.testing.assert_allclose(logits(model, padded)[:, :7], logits(model, given), atol=1e-6)


def test_later_steps_never_change_an_earlier_logit(model):
    given, other = inputs(3, 7), inputs(3, 7, seed=1)
    mixed = {name: np.concatenate([given[name][:, :4], other[name][:, 4:]], axis=1) for name in given}
    np.testing.assert_allclose(logits(model, mixed)[:, :4], logits(model, given)[:, :4], atol=1e-6)
    assert np.abs(logits(model, mixed)[:, 4:] - logits(model, given)[:, 4:]).min() > 0


def test_the_keras_file_gives_the_model_back(model, tmp_path: Path):
    from ml.models.files import load_keras, save_keras

    save_keras(model, tmp_path / "model.keras")
    np.testing.assert_array_equal(
        logits(load_keras(tmp_path / "model.keras"), inputs(2, 5)), logits(model, inputs(2, 5))
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ml.models.files import export_onnx

    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    assert export_onnx(model, path) < 1e-5
    return path


def test_the_onnx_file_computes_the_same_for_any_length(model, exported: Path):
    session = onnxruntime.InferenceSession(exported)
    assert {given.name for given in session.get_inputs()} == {"numeric", "categorical"}
    for users, length in ((1, 1), (4, 33), (2, 150)):
        (found,) = session.run(["logits"], inputs(users, length))
        np.testing.assert_allclose(found, logits(model, inputs(users, length)), atol=1e-5)
    assert [path.name for path in exported.parent.iterdir()] == ["model.onnx"]


def test_a_user_scored_among_many_gets_the_logit_they_get_alone(model, exported: Path):
    from ml.scoring.scorer import TOKENS, Network

    rng = np.random.default_rng(2)
    offsets = np.append(0, np.cumsum(rng.integers(1, 90, 300)))
    assert offsets[-1] > 3 * TOKENS  # several batches
    codes = rng.integers(1, 4, size=(offsets[-1], 2), dtype=np.int32)
    steps = Steps(rng.normal(size=(offsets[-1], 5)).astype(np.float32), codes, offsets)
    network = Network(exported)
    np.testing.assert_allclose(network.last_logits(steps), network.logits(steps)[offsets[1:] - 1], atol=1e-5)
    for user in (0, 7, 299):
        rows = slice(offsets[user], offsets[user + 1])
        alone = {"numeric": steps.numeric[None, rows], "categorical": steps.categorical[None, rows]}
        np.testing.assert_allclose(network.logits(steps)[rows], logits(model, alone)[0], atol=1e-5)


def test_a_file_that_computes_something_else_is_noticed(exported: Path):
    from ml.models.files import TOLERANCE, onnx_difference
    from ml.models.gru import build_model

    assert onnx_difference(build_model(CONFIG), exported) > 1000 * TOLERANCE


def test_layers_and_training_are_written_for_no_backend_in_particular():
    sources = [path for room in ("models", "training") for path in (ROOT / "ml" / room).glob("*.py")]
    imported = {}
    for path in sources:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported[path.name] = names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) if node.module}
    assert len(sources) > 8
    assert [name for name, modules in imported.items() if "tensorflow" in modules] == []
    assert "keras" in imported["gru.py"]


def planted(users: int, seed: int) -> tuple[Steps, np.ndarray]:
    """Users of 1 to 12 steps; the anomalous ones have a larger first number at their last step."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, users)
    offsets = np.append(0, np.cumsum(rng.integers(1, 13, users)))
    numeric = rng.normal(size=(offsets[-1], 2)).astype(np.float32)
    numeric[offsets[1:] - 1, 0] += 3 * targets
    return Steps(numeric, np.ones((offsets[-1], 1), np.int32), offsets), targets


@pytest.fixture(scope="module")
def featurizer() -> Featurizer:
    names = ["gap", "sessions"]
    return Featurizer({}, 64, {"event_type": ["view"]}, [], dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0), [])


def test_the_baseline_finds_what_is_planted_and_survives_its_files(featurizer: Featurizer, tmp_path: Path):
    training, validation = (
        {"5": planted(600, 0), "all": planted(600, 1)},
        {"5": planted(200, 2), "all": planted(200, 3)},
    )
    baseline = Baseline.fit(training, validation, featurizer, seed=0)
    steps, targets = planted(300, 4)
    scores = baseline.predict("5", steps, featurizer)
    assert scores[targets == 1].mean() > scores[targets == 0].mean() + 0.5
    baseline.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"5.txt", "all.txt", "baseline.json"}
    np.testing.assert_allclose(Baseline.load(tmp_path).predict("5", steps, featurizer), scores)
    again = Baseline.fit(training, validation, featurizer, seed=0)
    np.testing.assert_array_equal(again.predict("all", steps, featurizer), baseline.predict("all", steps, featurizer))


def test_the_baseline_sees_the_last_step_whole_and_ten_first_ones_in_part(featurizer: Featurizer):
    steps, _ = planted(50, 5)
    columns = baseline_columns(steps, featurizer)
    assert columns.shape == (50, 2 + 1 + 10 * (1 + 1))
    np.testing.assert_array_equal(columns[:, :2], steps.numeric[steps.offsets[1:] - 1])
    np.testing.assert_array_equal(columns[:, 3], steps.numeric[steps.offsets[:-1], 0])
    assert np.isnan(columns[steps.lengths == 1][:, 5:]).all()
