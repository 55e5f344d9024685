"""A backbone that was pre-trained on one data set reads another: each weight lands at its input's counterpart."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from ml.contracts.events import Kind
from ml.models.config import Architecture
from ml.models.network import backbone_of, build_model
from ml.models.step_inputs import StepInputs
from ml.pretraining.backbone import Backbone
from ml.pretraining.mapping import MappingInvalid
from ml.pretraining.transfer import fit_units, translate
from ml.sequences.features import PADDING, UNKNOWN, Featurizer
from ml.training.config import TrainingConfig

PRICE, STARS = Kind.NUMERIC, Kind.NUMERIC


def featurizer_with(names: list[str], **changed: object) -> Featurizer:
    return replace(Featurizer({}, 8, {}, [], dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0), []), **changed)


SHOP = featurizer_with(
    ["gap", "ordinal", "price", "price_mean", "event_type_share=view", "event_type_share=order"],
    extras={"price": Kind.NUMERIC, "device": Kind.CATEGORICAL, "note": Kind.TEXT},
    vocabularies={"event_type": ["view", "order", "cart"], "device": ["phone", "desk"]},
    shares=[("event_type", "view"), ("event_type", "order")],
    indicators=["gap", "price"],
)
WIKI = featurizer_with(
    ["gap", "cost", "cost_mean", "event_type_share=article", "fresh", "account_age"],
    extras={"cost": Kind.NUMERIC, "own_page": Kind.CATEGORICAL, "note": Kind.TEXT, "device": Kind.NUMERIC},
    vocabularies={"event_type": ["talk", "article"], "own_page": ["yes", "no"]},
    shares=[("event_type", "article")],
    indicators=["cost"],
    window=16,
)
DECLARED = "columns: {cost: price}\nvalues:\n  event_type: {article: view, talk: null}\n"
ARCHITECTURES = pytest.mark.parametrize("architecture", list(Architecture))


def pretrained(architecture: Architecture, featurizer: Featurizer = SHOP) -> Backbone:
    """With weights of its own, biases and a fusion's pieces included."""
    keras.utils.set_random_seed(0)
    shape = TrainingConfig(architecture=architecture, width=8, layers=2, heads=2).shape(featurizer)
    model, rng = backbone_of(build_model(shape)), np.random.default_rng(2)
    model.set_weights([weight + 0.1 * rng.normal(size=weight.shape) for weight in model.get_weights()])
    return Backbone(model, shape, featurizer, {"as_of": "2026-01-01"})


@pytest.fixture
def declare(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "mapping.yaml"
        path.write_text(text)
        return path

    return write


def read(backbone: Backbone, numeric: np.ndarray, categorical: np.ndarray) -> np.ndarray:
    inputs = {"numeric": numeric.astype(np.float32), "categorical": categorical.astype(np.int32)}
    return keras.ops.convert_to_numpy(backbone.model(inputs))


def drawn(featurizer: Featurizer) -> tuple[np.ndarray, np.ndarray]:
    """Steps of three users."""
    rng = np.random.default_rng(1)
    codes = [rng.integers(UNKNOWN, size, (3, 5)) for size in featurizer.vocabulary_sizes]
    return rng.normal(size=(3, 5, len(featurizer.numeric_names))), np.stack(codes, axis=-1)


@ARCHITECTURES
def test_the_same_data_set_reads_exactly_as_before(architecture: Architecture, declare):
    before = pretrained(architecture)
    after = translate(before, SHOP, declare("columns: {}"), 0)
    assert after.config == before.config
    expected, found = (read(backbone, *drawn(SHOP)) for backbone in (before, after))
    assert np.abs(expected).max() > 0.1
    assert (found == expected).all()


@ARCHITECTURES
def test_another_data_set_reads_what_both_know_as_the_first_would_and_the_rest_as_absent(
    architecture: Architecture, declare
):
    before = pretrained(architecture)
    after = translate(before, WIKI, declare(DECLARED), 0)
    numeric, codes = drawn(WIKI)
    rows = dict(zip(WIKI.numeric_names, np.moveaxis(numeric, -1, 0), strict=True))
    event_type, note = codes[..., WIKI.categorical_names.index("event_type")], codes[..., -1]
    same = {  # a shop's step: no order in it, no device known, ordinal at its mean, every gap known
        "gap": rows["gap"], "ordinal": 0.0, "price": rows["cost"], "price_mean": rows["cost_mean"],
        "event_type_share=view": rows["event_type_share=article"], "event_type_share=order": 0.0,
        "gap_unknown": 0.0, "price_unknown": rows["cost_unknown"],
    }  # fmt: skip
    there = np.stack([np.broadcast_to(same[name], (3, 5)) for name in SHOP.numeric_names], axis=-1)
    kinds = np.array([PADDING, UNKNOWN, UNKNOWN, 2])[event_type]  # talk, article
    expected = read(before, there, np.stack([kinds, np.full((3, 5), UNKNOWN), note], axis=-1))
    np.testing.assert_allclose(read(after, numeric, codes), expected, atol=2e-5)
    assert SHOP.categorical_names == ["event_type", "device", "note"]


def test_what_only_one_data_set_has_moves_nothing_or_the_bias(declare):
    shares = replace(SHOP, means=SHOP.means | {"event_type_share=order": 0.3})
    before = pretrained(Architecture.GRU, shares)
    after = translate(before, WIKI, declare(DECLARED), 0)
    known, carried = (StepInputs.of(each.model, each.config) for each in (before, after))
    names = WIKI.numeric_names
    for name in ("fresh", "account_age"):
        assert (carried.rows[names.index(name)] == 0).all()
    assert (carried.rows[names.index("cost")] == known.rows[SHOP.numeric_names.index("price")]).all()
    own_page = WIKI.categorical_names.index("own_page")
    assert (carried.code_rows[own_page] == 0).all()
    assert np.abs(carried.tables[own_page]).max() > 0
    never_ordered = -0.3 * known.rows[SHOP.numeric_names.index("event_type_share=order"), 0]
    device = known.tables[1][UNKNOWN] @ known.code_rows[1]
    event_type = carried.bias - known.bias - never_ordered - device  # what its fewer units cannot hold
    added = carried.tables[0] @ carried.code_rows[0] + event_type
    there = known.tables[0] @ known.code_rows[0]
    np.testing.assert_allclose(added[[1, 2, 3]], there[[UNKNOWN, UNKNOWN, 2]], atol=1e-5)


def test_an_embedding_in_fewer_units_adds_the_nearest_that_there_is():
    rng = np.random.default_rng(0)
    given, rows = rng.normal(size=(11, 8)), rng.normal(size=(8, 16))
    table, found, mean = fit_units(given, rows, np.zeros((11, 5)))
    wanted = (given @ rows)[UNKNOWN:]
    missed = np.linalg.norm(table[UNKNOWN:] @ found + mean - wanted)
    assert 0 < missed < 0.5 * np.linalg.norm(wanted - wanted.mean(axis=0))
    few = fit_units(given[:5], rows, np.zeros((5, 3)))
    np.testing.assert_allclose(few[0][UNKNOWN:] @ few[1] + few[2], wanted[:4], atol=1e-9)
    more = fit_units(given, rows, np.ones((11, 9)))
    np.testing.assert_allclose(more[0] @ more[1] + more[2], given @ rows, atol=1e-9)
    assert (more[0][:, 8] == 1).all()


def test_a_model_starts_from_what_was_carried_over_whatever_its_moment(declare):
    after = translate(pretrained(Architecture.FUSION), WIKI, declare(DECLARED), 0)
    model = build_model(after.config)
    after.start(model, after.config, WIKI)
    assert all((one == other).all() for one, other in
               zip(backbone_of(model).get_weights(), after.model.get_weights(), strict=True))  # fmt: skip
    assert "as_of" not in after.facts


WRONG = {
    "colums: {}": ("1:1", "colums", "unknown key"),
    "columns: {cost: prize}": ("1:17", "columns.cost", "the backbone has seen no column prize"),
    "columns:\n  price: price": ("2:10", "columns.price", "this data set has no column of that name"),
    "columns: {cost: note}": ("1:17", "columns.cost", "a numeric column cannot be note, which is text"),
    "columns: {cost: price, own_page: price}": ("1:10", "columns", "two columns cannot both be price"),
    "values:\n  event_type:\n    article: views": ("3:14", "values.event_type.article", "the backbone knows no value"),
    "values: {cost: {a: b}}": ("1:16", "values.cost", "this data set has no categorical column"),
    "values: {own_page: {yes: phone}}": ("1:26", "values.own_page.yes", "the backbone knows no value phone but none"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_mapping_is_named_by_file_line_and_key(text: str, declare):
    place, key, problem = WRONG[text]
    path = declare(text)
    with pytest.raises(MappingInvalid, match=problem) as refused:
        translate(pretrained(Architecture.GRU), WIKI, path, 0)
    assert (refused.value.where, refused.value.key) == (f"{path}:{place}", key)
