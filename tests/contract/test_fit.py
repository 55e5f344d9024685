"""A training goes on where it was broken off, and computes in the precision of its device."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from ml.calibration.probability import sigmoid
from ml.models.config import Architecture
from ml.models.infer import infer_logits
from ml.training.batches import PackedBatches
from ml.training.checkpoint import Checkpoint
from ml.training.config import DEFAULTS, TrainingConfig
from ml.training.epochs import Curves
from ml.training.fit import fit_model
from ml.training.loss import CrossEntropy
from ml.training.step import build_step, new_optimizer
from ml.training.team import ALONE
from ml.training.trainer import build_trainer, choose_pack, in_precision, is_recurrent
from tests.drawn_steps import drawn_steps, featurizer_of, small_model, trained_weights

WINDOW = 20
CONFIG = TrainingConfig(epochs=4, users_per_step=20, learning_rate=0.01)
DATA = drawn_steps(60, WINDOW)
ARCHITECTURES = pytest.mark.parametrize("architecture", list(Architecture))


def fit(checkpoint: Checkpoint | None = None, model: keras.Model | None = None) -> tuple[Curves, list[np.ndarray]]:
    model = model or small_model(layers=1, dropout=0.2)
    curves = fit_model(
        model, DATA, DATA, featurizer=featurizer_of(WINDOW), config=CONFIG, seed=5, checkpoint=checkpoint
    )
    return curves, model.get_weights()


@pytest.fixture(scope="module")
def unbroken() -> tuple[Curves, list[np.ndarray]]:
    return fit()


def test_a_network_that_takes_labels_for_wrong_sees_more_in_the_same_ones(unbroken: tuple):
    model = small_model(layers=1, dropout=0.2)
    doubting = replace(CONFIG, wrong_labels=0.45)
    curves = fit_model(model, DATA, DATA, featurizer=featurizer_of(WINDOW), config=doubting, seed=5)
    trusting = small_model(layers=1, dropout=0.2)
    trusting.set_weights(unbroken[1])
    assert max(curves.validation_loss) < -np.log(0.45)
    assert infer_logits(model, DATA.steps).std() > infer_logits(trusting, DATA.steps).std()


def test_weighing_rare_users_up_changes_what_is_learned_but_not_how_much_is_expected():
    """Every fourth step is anomalous and nothing tells which: whatever they weigh, that is what is said of all."""
    rare = replace(DATA, targets=np.where(np.arange(len(DATA.targets)) % 4 == 0, 1.0, 0.0).astype(np.float32))
    fitted = {}
    for balance in (0.0, 1.0):
        fitted[balance] = small_model(layers=1, dropout=0.2)
        config = replace(CONFIG, balance=balance, epochs=16, learning_rate=0.03)
        fit_model(fitted[balance], rare, rare, featurizer=featurizer_of(WINDOW), config=config, seed=5)
    plain, weighed = (sigmoid(infer_logits(model, rare.steps)) for model in fitted.values())
    assert np.abs(weighed - plain).max() > 0.02
    assert weighed.mean() == pytest.approx(plain.mean(), abs=0.03) == pytest.approx(0.25, abs=0.05)


def test_where_nobody_is_anomalous_everybody_weighs_alike():
    assert replace(DATA, targets=np.zeros_like(DATA.targets)).imbalance == 1
    assert replace(DATA, targets=np.ones_like(DATA.targets)).imbalance == 1


@pytest.fixture
def broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """Of a training that ended after its second epoch."""
    checkpoint, save = Checkpoint(tmp_path / "checkpoint.npz", {"of": (1, 2)}), Checkpoint.save

    def save_and_die(self: Checkpoint, progress: object) -> None:
        save(self, progress)
        if len(progress.losses["loss"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            fit(checkpoint)
    return checkpoint


def test_a_training_that_was_broken_off_ends_as_if_it_had_not_been(broken_off: Checkpoint, unbroken: tuple):
    assert len(broken_off.load().losses["loss"]) == 2
    curves, weights = fit(broken_off)
    assert curves == unbroken[0]
    assert len(curves.loss) == 4
    assert all((one == other).all() for one, other in zip(weights, unbroken[1], strict=True))


def test_without_held_out_users_every_epoch_is_run_and_the_last_one_kept(unbroken: tuple):
    def refit(config: TrainingConfig) -> tuple[Curves, list[np.ndarray]]:
        model = small_model(layers=1, dropout=0.2)
        return fit_model(
            model, DATA, None, featurizer=featurizer_of(WINDOW), config=config, seed=5
        ), model.get_weights()

    curves, weights = refit(CONFIG)
    assert curves.loss == unbroken[0].loss
    assert (curves.validation_loss, curves.best_epoch) == ([], 3)
    impatient, same = refit(replace(CONFIG, patience=1))
    assert impatient.loss == curves.loss
    assert all((one == other).all() for one, other in zip(weights, same, strict=True))


def test_the_checkpoint_of_another_training_is_not_gone_on_from(broken_off: Checkpoint):
    assert Checkpoint(broken_off.path, {"of": (1, 3)}).load() is None
    curves, _ = fit(broken_off, small_model(layers=2, dropout=0.2))  # the code has changed since
    assert len(curves.loss) == 4
    assert broken_off.load().losses == {"loss": curves.loss, "validation_loss": curves.validation_loss}


@ARCHITECTURES
def test_mixed_precision_computes_nearly_the_same_and_keeps_float32_weights(architecture: Architecture):
    model = small_model(architecture)
    mixed = in_precision(model, "mixed_bfloat16")
    batches = PackedBatches(DATA, featurizer_of(WINDOW), choose_pack(model), users_per_step=20, seed=0)
    batch = next(batches.epoch(0))
    exact, rough = (
        keras.ops.convert_to_numpy(build_trainer(each, batches.packing)(batch.inputs)) for each in (model, mixed)
    )
    assert rough.dtype == np.float32
    assert 0 < np.abs(exact - rough).max() < 0.05
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    assert {layer.compute_dtype for layer in mixed.layers if layer.weights} == {"bfloat16"}
    assert infer_logits(model, DATA.steps).dtype == np.float32
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_a_training_in_mixed_precision_has_nearly_the_same_curves(unbroken: tuple, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ml.training.learner.copy_to_train", lambda model: in_precision(model, "mixed_bfloat16"))
    curves, weights = fit()
    assert curves.loss == pytest.approx(unbroken[0].loss, rel=0.02)
    assert curves.loss != unbroken[0].loss
    assert {weight.dtype for weight in weights} == {np.dtype("float32")}


@ARCHITECTURES
def test_each_architecture_has_a_configuration_of_its_own(architecture: Architecture):
    assert DEFAULTS[architecture].architecture is architecture


@ARCHITECTURES
def test_one_step_moves_every_weight_by_its_gradient(architecture: Architecture):
    model = small_model(architecture)
    batches = PackedBatches(DATA, featurizer_of(WINDOW), choose_pack(model), users_per_step=60, seed=0)
    before = trained_weights(model)
    step = build_step(
        build_trainer(model, batches.packing), new_optimizer(CONFIG, steps=len(batches)), ALONE, CrossEntropy()
    )
    assert step(next(batches.epoch(0))) > 0
    assert len(before) > 8
    for new, old in zip(trained_weights(model), before, strict=True):
        assert np.mean(np.abs(new - old) > CONFIG.learning_rate / 2) > 0.5  # decay moves it a thousandth of that


def test_only_a_model_whose_recurrent_layers_alone_look_back_is_packed_as_segments():
    assert is_recurrent(small_model())
    assert is_recurrent(small_model(Architecture.LSTM))
    assert not is_recurrent(small_model(Architecture.TRANSFORMER))
    events = keras.Input((None, 4))
    states = keras.layers.GRU(4, return_sequences=True)(events)
    assert is_recurrent(keras.Model(events, keras.layers.LSTM(4, return_sequences=True)(states)))
    assert not is_recurrent(keras.Model(events, keras.layers.Bidirectional(keras.layers.LSTM(4))(states)))
    attended = keras.layers.MultiHeadAttention(1, 4)(states, states, use_causal_mask=True)
    assert not is_recurrent(keras.Model(events, attended))
