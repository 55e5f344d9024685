"""What adapters compute, and how little of a model they are."""

import keras
import numpy as np
import pytest
from keras import layers

from ml.models.config import Architecture, ModelConfig
from ml.models.network import build_model
from ml.training.config import DEFAULTS, TrainingConfig
from ml.training.learner import Learner
from ml.training.low_rank import Adapters, adapt, kernels_of
from ml.training.tuning import Tuning

RANK, ALPHA = 2, 6.0


@pytest.fixture
def network() -> tuple[keras.Model, layers.Dense]:
    """Five inputs, three units."""
    given, dense = keras.Input((5,), name="given"), layers.Dense(3, name="dense")
    return keras.Model({"given": given}, dense(given)), dense


def numbers(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_an_adapted_kernel_is_the_kernel_plus_the_scaled_product(network: tuple):
    model, dense = network
    adapters = Adapters(kernels_of(dense), rank=RANK, alpha=ALPHA, seed=0)
    adapted = adapt(model, adapters)
    inputs = {"given": np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)}
    np.testing.assert_array_equal(numbers(adapted(inputs)), numbers(model(inputs)))  # B starts at 0
    (one, other), rng = adapters.pairs[0], np.random.default_rng(1)
    assert np.abs(numbers(one)).min() > 0
    for variable in (one, other):
        variable.assign(rng.normal(size=variable.shape))
    product = ALPHA / RANK * numbers(one) @ numbers(other)
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(numbers(adapted(inputs)), inputs["given"] @ (kernel + product) + bias, rtol=1e-5)
    assert [weight.path for weight in adapted.trainable_variables if weight is dense.kernel] == []
    assert len(adapted.trainable_variables) == 3  # A, B and the bias
    (merged,) = adapters.merge([numbers(weight) for weight in adapters.weights]).values()
    np.testing.assert_allclose(merged, product, rtol=1e-6)


def test_dense_and_recurrent_layers_have_kernels_to_adapt_and_others_have_none():
    gru, dense, embedding = layers.GRU(4), layers.Dense(3), layers.Embedding(5, 2)
    for layer, shape in ((gru, (None, None, 5)), (dense, (None, 5)), (embedding, (None,))):
        layer.build(shape)
    assert [tuple(kernel.shape) for kernel in kernels_of(gru)] == [(5, 12), (4, 12)]
    assert [tuple(kernel.shape) for kernel in kernels_of(dense)] == [(5, 3)]
    assert kernels_of(embedding) == []


@pytest.mark.parametrize("architecture", list(Architecture))
def test_adapters_and_head_are_at_most_a_fifth_of_the_weights(architecture: Architecture):
    config = DEFAULTS[architecture]
    shape = {"width": config.width, "layers": config.layers, "heads": config.heads, "architecture": architecture}
    model = build_model(ModelConfig(numeric=60, vocabulary_sizes=(8, 5), **shape))
    shares = {tuning: Learner(model, TrainingConfig(tuning=tuning), 0).trained_share for tuning in Tuning}
    assert 0 < shares[Tuning.LORA] <= 0.2
    assert 0 < shares[Tuning.FROZEN] < 0.3
    assert shares[Tuning.FULL] > 0.95
