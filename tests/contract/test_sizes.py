"""A size is what its name says in every architecture, and without one a model is as it always was."""

from dataclasses import replace

import numpy as np
import pytest

from ml.models.config import Architecture, Size
from ml.models.network import build_model
from ml.sequences.behaviour import SINGLE_EVENT
from ml.training.config import DEFAULTS, configure
from tests.drawn_steps import featurizer_of

WEIGHTS = {Size.SMALL: 1e5, Size.MEDIUM: 1e6, Size.LARGE: 1e7}
NAMES = [*SINGLE_EVENT, *(f"feature_{index}" for index in range(70 - len(SINGLE_EVENT)))]
VOCABULARIES = {"event_type": [f"type_{index}" for index in range(18)], "own_page": ["yes", "no"]}
FEATURIZER = replace(featurizer_of(64), means=dict.fromkeys(NAMES, 0.0), vocabularies=VOCABULARIES)


@pytest.mark.parametrize("size", list(WEIGHTS))
@pytest.mark.parametrize("architecture", list(Architecture))
def test_each_size_has_about_the_weights_that_it_promises(architecture: Architecture, size: Size):
    model = build_model(configure(architecture, size).shape(FEATURIZER))
    assert model.count_params() == pytest.approx(WEIGHTS[size], rel=0.1)
    inputs = {"numeric": np.zeros((1, 2, 70), np.float32), "categorical": np.ones((1, 2, 2), np.int32)}
    assert np.isfinite(np.asarray(model(inputs))).all()


@pytest.mark.parametrize("architecture", list(Architecture))
def test_without_a_size_a_model_is_as_it_always_was(architecture: Architecture):
    assert configure(architecture) == configure(architecture, Size.DEFAULT) == DEFAULTS[architecture]
