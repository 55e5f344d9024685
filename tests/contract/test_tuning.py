"""Fine-tuning starts from the backbone it is given, moves what its mode says, and leaves an ordinary model."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from ml.models.config import Architecture
from ml.models.files import export_onnx
from ml.models.network import HEAD, backbone_of, build_model
from ml.pretraining.backbone import Backbone
from ml.training.batches import PackedBatches
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.learner import Learner
from ml.training.low_rank import kernels_of
from ml.training.train import BackboneNeeded, fit_network
from ml.training.trainer import build_trainer, choose_pack, in_precision
from ml.training.tuning import Tuning
from tests.drawn_steps import drawn_steps, featurizer_of, small_model
from tests.without_tensorflow import run_without_tensorflow

WINDOW, RANK, SEED = 20, 2, 7
FEATURIZER = replace(featurizer_of(WINDOW), vocabularies={"event_type": ["a", "b", "c"], "channel": ["d", "e", "f"]})
DATA = drawn_steps(60, WINDOW)
ARCHITECTURES = pytest.mark.parametrize("architecture", list(Architecture))
Weights = dict[str, list[np.ndarray]]


class BrokenOff(Exception):
    """The process was killed."""


def config_of(architecture: Architecture, tuning: Tuning, **changed: float) -> TrainingConfig:
    chosen = {"epochs": 2, "users_per_step": 20, "learning_rate": 0.02, "rank": RANK, "averaging": 0.5} | changed
    return TrainingConfig(architecture=architecture, width=8, heads=2, tuning=tuning, **chosen)


def backbone_for(config: TrainingConfig) -> Backbone:
    """With weights of its own, biases and a fusion's pieces included."""
    model = small_model(config.architecture, layers=config.layers)
    return Backbone(backbone_of(model), config.shape(FEATURIZER), FEATURIZER)


def tune(config: TrainingConfig, checkpoint: Checkpoint | None = None) -> tuple[keras.Model, Weights]:
    """The model, and the weights of each layer of the backbone that it started from."""
    backbone = backbone_for(config)
    before = {layer.name: layer.get_weights() for layer in backbone.model.layers if layer.weights}
    model, _ = fit_network(DATA, DATA, FEATURIZER, config, SEED, backbone=backbone, checkpoint=checkpoint)
    return model, before


def changes(model: keras.Model, before: Weights) -> dict[str, np.ndarray]:
    """Of each of the backbone's weights."""
    return {
        f"{name}/{index}": new - old
        for name, weights in before.items()
        for index, (new, old) in enumerate(zip(model.get_layer(name).get_weights(), weights, strict=True))
    }


def numbers(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_with_nothing_to_learn_a_model_is_its_backbone():
    config = config_of(Architecture.FUSION, Tuning.FULL, epochs=1, learning_rate=0.0, weight_decay=0.0)
    model, before = tune(config)
    found = changes(model, before)
    assert len(found) > 4
    assert max(np.abs(change).max() for change in found.values()) < 1e-6


@ARCHITECTURES
def test_frozen_moves_the_head_and_nothing_else(architecture: Architecture):
    config = config_of(architecture, Tuning.FROZEN)
    model, before = tune(config)
    assert {np.abs(change).max() for change in changes(model, before).values()} == {0.0}
    keras.utils.set_random_seed(SEED)
    start = build_model(config.shape(FEATURIZER))
    for name in HEAD:
        assert np.abs(model.get_layer(name).get_weights()[0] - start.get_layer(name).get_weights()[0]).max() > 1e-3


@ARCHITECTURES
def test_adapters_change_every_kernel_by_a_matrix_of_their_rank_and_nothing_else(
    architecture: Architecture, tmp_path: Path
):
    model, before = tune(config_of(architecture, Tuning.LORA))
    found = changes(model, before)
    adapted = {f"{layer.name}/{index}" for layer in model.layers for index, _ in enumerate(kernels_of(layer))}
    assert len(adapted & set(found)) > 2
    for name, change in found.items():
        if name in adapted:
            assert np.abs(change).max() > 1e-4, name
            assert np.linalg.matrix_rank(change, tol=1e-5) == RANK, name
        else:
            assert np.abs(change).max() == 0, name
    assert export_onnx(model, tmp_path) < 1e-5


@ARCHITECTURES
def test_a_merged_model_computes_what_the_adapted_one_does(architecture: Architecture):
    model, rng = small_model(architecture), np.random.default_rng(0)
    learner = Learner(model, config_of(architecture, Tuning.LORA), 0)
    batches = PackedBatches(DATA, FEATURIZER, choose_pack(model), users_per_step=20, seed=0)
    batch = next(batches.epoch(0))
    trainer, plain = learner.trainer(batches.packing), build_trainer(model, batches.packing)
    before = numbers(plain(batch.inputs))
    np.testing.assert_allclose(numbers(trainer(batch.inputs)), before, atol=1e-5)
    for weight in learner.adapters.weights:
        weight.assign(rng.normal(size=weight.shape, scale=0.3))
    model.set_weights(learner.merge(learner.get_weights()))
    np.testing.assert_allclose(numbers(trainer(batch.inputs)), numbers(plain(batch.inputs)), atol=1e-4)
    assert np.abs(numbers(plain(batch.inputs)) - before).max() > 0.1


@ARCHITECTURES
def test_adapters_compute_nearly_the_same_in_mixed_precision(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
):
    model, found = small_model(architecture), []
    batches = PackedBatches(DATA, FEATURIZER, choose_pack(model), users_per_step=20, seed=0)
    batch = next(batches.epoch(0))
    for policy in ("float32", "mixed_bfloat16"):
        monkeypatch.setattr("ml.training.learner.copy_to_train", partial(in_precision, policy=policy))
        learner, rng = Learner(model, config_of(architecture, Tuning.LORA), 0), np.random.default_rng(0)
        for weight in learner.adapters.weights:
            weight.assign(rng.normal(size=weight.shape, scale=0.2))
        found.append(numbers(learner.trainer(batches.packing)(batch.inputs)))
    exact, rough = found
    assert rough.dtype == np.float32
    assert 0 < np.abs(exact - rough).max() < 0.1 * np.ptp(exact)


def test_a_step_of_adapters_drops_other_units_than_the_step_before():
    learner = Learner(small_model(dropout=0.5), config_of(Architecture.GRU, Tuning.LORA), 0)
    batches = PackedBatches(DATA, FEATURIZER, choose_pack(learner.model), users_per_step=20, seed=0)
    trainer, batch = learner.trainer(batches.packing), next(batches.epoch(0))
    one, other = (numbers(trainer(batch.inputs, training=True)) for _ in range(2))
    assert np.abs(one - other).max() > 1e-3


def test_adapting_goes_on_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = config_of(Architecture.GRU, Tuning.LORA, patience=9)
    checkpoint, save = Checkpoint(tmp_path / "checkpoint.npz", {}), Checkpoint.save

    def save_and_die(self: Checkpoint, progress: object) -> None:
        save(self, progress)
        raise BrokenOff

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(BrokenOff):
            tune(config, checkpoint)
    assert len(checkpoint.load().losses["loss"]) == 1
    gone_on, unbroken = (tune(config, given)[0].get_weights() for given in (checkpoint, None))
    assert all((one == other).all() for one, other in zip(gone_on, unbroken, strict=True))


@pytest.mark.parametrize("tuning", [Tuning.LORA, Tuning.FROZEN])
def test_only_what_was_pre_trained_can_be_tuned_in_part(tuning: Tuning):
    with pytest.raises(BackboneNeeded, match=f"tuning={tuning}"):
        fit_network(DATA, DATA, FEATURIZER, config_of(Architecture.GRU, tuning), SEED)


JAX = """
from tests.contract import test_tuning as here
found = here.changes(*here.tune(here.config_of(here.Architecture.GRU, here.Tuning.LORA)))
print({int(here.np.linalg.matrix_rank(change, tol=1e-5)) for change in found.values() if change.ndim == 2})
"""


def test_adapters_are_learned_without_tensorflow():
    done = run_without_tensorflow(JAX)
    assert done.stdout == f"{ {0, RANK} }\n", done.stderr  # embeddings stay
