"""A backbone that was pre-trained on one data set, made to read another: weights are carried over input by input.

The data set keeps a featurizer of its own, so that its numbers are scaled and its values counted by itself. A number or
code starts with the weights of its counterpart, everything above the first layer as it is. What the other data set
lacks adds nothing at first; a value without a counterpart starts as the unknown one; what this data set lacks reads as
absent, which becomes part of the bias.
"""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from ml.models.network import backbone_of, build_model
from ml.models.step_inputs import StepInputs, is_step_input
from ml.pretraining.backbone import Backbone
from ml.pretraining.counterparts import Counterparts
from ml.pretraining.mapping import load_mapping
from ml.sequences.features import UNKNOWN, Featurizer


def translate(backbone: Backbone, featurizer: Featurizer, mapping: Path, seed: int) -> Backbone:
    """A backbone that reads what the featurizer makes. The same seed draws the same new embeddings.

    It is not asked whether it has seen anything later than a model's `as_of`: it has seen other users.
    Raises MappingInvalid.
    """
    theirs = backbone.featurizer
    counterparts = Counterparts(featurizer, theirs, load_mapping(mapping, featurizer, theirs))
    keras.utils.set_random_seed(seed)
    shape = replace(
        backbone.config,
        numeric=len(featurizer.numeric_names),
        vocabulary_sizes=featurizer.vocabulary_sizes,
        encoded=tuple(featurizer.single_event_columns.tolist()) if backbone.config.encoded else (),
    )
    model = backbone_of(build_model(shape))
    for layer in model.layers:
        if not is_step_input(layer):
            layer.set_weights(backbone.model.get_layer(layer.name).get_weights())
    known = StepInputs.of(backbone.model, backbone.config)
    carry(StepInputs.of(model, shape), known, counterparts).give(model, shape)
    return Backbone(model, shape, featurizer)


def carry(fresh: StepInputs, known: StepInputs, counterparts: Counterparts) -> StepInputs:
    """fresh: of a new model. known: of the pre-trained one, which is carried into it."""
    return _carry_codes(_carry_numbers(fresh, known, counterparts), known, counterparts)


def _carry_numbers(fresh: StepInputs, known: StepInputs, counterparts: Counterparts) -> StepInputs:
    mine, theirs = counterparts.mine.numeric_names, counterparts.theirs.numeric_names
    rows, cuts, bias = np.zeros_like(fresh.rows), fresh.cuts.copy(), known.bias.copy()
    for name, other in counterparts.numbers().items():
        here, there = mine.index(name), theirs.index(other)
        rows[here], cuts[:, here] = known.rows[there], known.cuts[:, there]
    for name, value in counterparts.absent().items():
        bias += known.added(theirs.index(name), value)
    return replace(fresh, rows=rows, cuts=cuts, bias=bias)


def _carry_codes(fresh: StepInputs, known: StepInputs, counterparts: Counterparts) -> StepInputs:
    """fresh: with the bias that its numbers have."""
    tables, code_rows, bias = [], [], fresh.bias.copy()
    given = zip(known.tables, known.code_rows, strict=True)
    left = dict(zip(counterparts.theirs.categorical_names, given, strict=True))
    for column, table, rows in zip(counterparts.mine.categorical_names, fresh.tables, fresh.code_rows, strict=True):
        pair = counterparts.codes(column)
        if pair is None:
            moved = (table, np.zeros_like(rows), 0.0)
        else:
            there, codes = pair
            found, found_rows = left.pop(there)
            moved = fit_units(found[codes], found_rows, table)
        tables.append(moved[0])
        code_rows.append(moved[1])
        bias += moved[2]
    for table, rows in left.values():
        bias += table[UNKNOWN] @ rows
    return replace(fresh, tables=tables, code_rows=code_rows, bias=bias)


def fit_units(given: np.ndarray, rows: np.ndarray, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An embedding in as many units as the fresh one has, what these add, and what moves into the bias.

    given: (codes, units there). rows: (units there, width). fresh: (codes, units).
    More units than there add nothing at first. With fewer, what the codes add keeps its mean and the directions in
    which it differs most: the nearest there is (Eckart and Young 1936), and the same for at most three known values.
    """
    units, there = fresh.shape[1], given.shape[1]
    table, found = fresh.copy(), np.zeros((units, rows.shape[1]), rows.dtype)
    if units >= there:
        table[:, :there], found[:there] = given, rows
        return table, found, np.zeros_like(rows[0])
    added = given[UNKNOWN:] @ rows
    mean = added.mean(axis=0)
    left, strength, right = np.linalg.svd(added - mean, full_matrices=False)
    root = np.sqrt(strength[:units])
    table[UNKNOWN:] = left[:, :units] * root
    return table, root[:, None] * right[:units], mean
