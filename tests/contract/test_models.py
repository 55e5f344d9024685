"""Every architecture: later steps and padding change nothing, and its files say what it says."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ml.models.config import Architecture, ModelConfig, WidthNotDivisible
from ml.sequences.features import Featurizer, Steps

ROOT = Path(__file__).parents[2]
CONFIG = ModelConfig(numeric=5, vocabulary_sizes=(4, 9), width=16, layers=2, heads=2, encoded=(1, 3))


@pytest.fixture(scope="module", params=list(Architecture))
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return replace(CONFIG, architecture=request.param)


def new_model(config: ModelConfig, seed: int = 0):
    import keras

    from ml.models.network import build_model

    keras.utils.set_random_seed(seed)
    return build_model(config)


@pytest.fixture(scope="module")
def model(config: ModelConfig):
    return new_model(config)


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


def test_the_order_of_users_changes_nothing_and_the_order_of_their_steps_does(model):
    given, order = inputs(5, 7), np.array([3, 0, 4, 1, 2])
    shuffled = {name: values[order] for name, values in given.items()}
    np.testing.assert_allclose(logits(model, shuffled), logits(model, given)[order], atol=1e-6)
    swapped = {name: values[:, [1, 0, 2, 3, 4, 5, 6]] for name, values in given.items()}
    assert np.abs(logits(model, swapped)[:, -1] - logits(model, given)[:, -1]).min() > 1e-5


def test_the_same_seed_gives_the_same_model(config: ModelConfig, model):
    np.testing.assert_array_equal(logits(new_model(config), inputs(2, 5)), logits(model, inputs(2, 5)))
    assert np.abs(logits(new_model(config, seed=1), inputs(2, 5)) - logits(model, inputs(2, 5))).min() > 0


def test_a_transformer_shares_its_width_evenly_among_its_heads_and_recurrent_layers_have_none():
    for width, heads in ((16, 3), (12, 4)):
        with pytest.raises(WidthNotDivisible, match=f"width={width} heads={heads}"):
            replace(CONFIG, architecture="transformer", width=width, heads=heads)
        for name in ("gru", "lstm"):
            assert replace(CONFIG, architecture=name, width=width, heads=heads).architecture == name
    with pytest.raises(ValueError, match="rnn"):
        replace(CONFIG, architecture="rnn")


LOADED = """
import sys
import numpy as np
from pathlib import Path
from ml.models.files import load_keras
folder = Path(sys.argv[1])
np.save(folder / "found.npy", load_keras(folder / "model.keras")(dict(np.load(folder / "given.npz")), training=False))
"""


def test_the_keras_file_gives_the_model_back_to_another_process(model, tmp_path: Path):
    from ml.models.files import save_keras

    save_keras(model, tmp_path / "model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    np.savez(tmp_path / "given.npz", **inputs(2, 5))
    subprocess.run([sys.executable, "-c", LOADED, str(tmp_path)], check=True, cwd=ROOT, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), logits(model, inputs(2, 5)), atol=1e-6)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ml.models.files import export_onnx

    folder = tmp_path_factory.mktemp("exported")
    assert export_onnx(model, folder) < 1e-5
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model_last.onnx"]
    return folder


def test_the_onnx_file_computes_the_same_for_any_length_and_number_of_users(model, exported: Path):
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    assert {given.name for given in session.get_inputs()} == {"numeric", "categorical"}
    for users, length in ((1, 1), (4, 33), (2, 150), (60, 7)):
        (found,) = session.run(None, inputs(users, length))
        np.testing.assert_allclose(found, logits(model, inputs(users, length)), atol=1e-5)


def test_a_user_scored_among_many_gets_the_logit_they_get_alone(model, exported: Path):
    from ml.scoring.network import TOKENS, Network

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


def test_an_exported_network_names_its_architecture(config: ModelConfig, exported: Path):
    from ml.scoring.network import Network

    assert Network(exported).name == config.architecture


def test_a_graph_that_computes_something_else_is_refused(
    config: ModelConfig, model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from ml.models import files
    from ml.models.graph import Graph

    other = new_model(config, seed=1)
    monkeypatch.setattr(files, "Graph", lambda model, **options: Graph(other, **options))
    with pytest.raises(files.ExportDiffers):
        files.export_onnx(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_however_much_more_a_later_step_would_weigh_the_exported_transformer_does_not_look_at_it():
    from ml.models.graph import Graph
    from ml.models.transformer_graph import write_transformer

    model = new_model(replace(CONFIG, architecture="transformer"))
    for index in range(CONFIG.layers):
        layer = model.get_layer(f"attention_in_{index}")
        layer.set_weights([15 * layer.get_weights()[0]])  # scores of hundreds of nats
    graph = Graph(model, last_only=False)
    write_transformer(graph)
    session = onnxruntime.InferenceSession(graph.proto().SerializeToString())
    given, other = inputs(4, 60), inputs(4, 60, seed=1)
    mixed = {name: np.concatenate([given[name][:, :30], other[name][:, 30:]], axis=1) for name in given}
    found, changed = (session.run(None, one)[0] for one in (given, mixed))
    np.testing.assert_allclose(found[:, :30], changed[:, :30], atol=1e-6)
    np.testing.assert_allclose(found, logits(model, given), atol=1e-2)
    assert np.abs(found - changed)[:, 30:].min() > 0


def test_training_lowers_the_loss(config: ModelConfig):
    from ml.training.config import TrainingConfig
    from ml.training.fit import fit_model
    from ml.training.steps import TargetedSteps

    rng = np.random.default_rng(3)
    offsets = np.append(0, np.cumsum(rng.integers(1, 9, 400)))
    numeric, ones = rng.normal(size=(offsets[-1], 5)).astype(np.float32), np.ones(offsets[-1], np.float32)
    earlier = np.roll(numeric[:, 0], 1)
    earlier[offsets[:-1]] = 0
    targets = (earlier > 0).astype(np.float32)  # what only a model that looks one step back can know
    steps = Steps(numeric, np.ones((offsets[-1], 2), np.int32), offsets)
    data = TargetedSteps(steps, targets, np.zeros(offsets[-1], bool), ones, 0 * ones)
    names = [f"number_{index}" for index in range(5)]
    featurizer = Featurizer({}, 8, {}, [], dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0), [])
    chosen = TrainingConfig(epochs=8, users_per_step=32, learning_rate=1e-2, averaging=0.8)
    curves = fit_model(new_model(config), data, data, featurizer=featurizer, config=chosen, seed=0)
    assert min(curves.validation_loss) < 0.35 < np.log(2) < curves.loss[0] + 0.1


def test_layers_and_training_are_written_for_no_backend_in_particular():
    sources = [path for room in ("models", "training", "pretraining") for path in (ROOT / "ml" / room).glob("*.py")]
    imported = {}
    for path in sources:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported[path.name] = names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) if node.module}
    assert len(sources) > 8
    assert [name for name, modules in imported.items() if "tensorflow" in modules] == []
    assert "keras" in imported["recurrent.py"] & imported["transformer.py"]
