"""Every architecture's backbone learns every objective without a label, and its files give it back."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from ml.errors import InputAbsent
from ml.models.config import Architecture
from ml.models.network import backbone_of, build_model
from ml.pretraining.backbone import Backbone, BackboneUnfit
from ml.pretraining.config import Objective
from ml.pretraining.contrastive import SHORTEST, ContrastivePretext, SoftmaxLoss
from ml.pretraining.events import EventLoss, EventPretext
from ml.pretraining.pretext import TooFewTrails
from ml.pretraining.pretrain import pretrain, split_users
from ml.sequences.features import PADDING, Steps
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from tests.turning_trails import FEATURIZER, turning_trails
from tests.without_tensorflow import run_without_tensorflow

CONFIG = TrainingConfig(
    width=8, heads=2, epochs=4, patience=4, users_per_step=32, learning_rate=2e-2, averaging=0.8, dropout=0.1
)
TRAINING, HELD_OUT = turning_trails(200, 0), turning_trails(40, 1)
BY_CHANCE = {  # held-out loss of someone who knows how often each answer is right, and nothing of the trail
    Objective.NEXT_EVENT: 1.9,
    Objective.MASKED_EVENT: 1.9,
    Objective.COLES: 4.2,
}
ARCHITECTURES = pytest.mark.parametrize("architecture", list(Architecture))
OBJECTIVES = pytest.mark.parametrize("objective", list(Objective))


class BrokenOff(Exception):
    """The process was killed."""


def pretext_of(kind: type, held_out: Steps = HELD_OUT, **options: bool) -> EventPretext | ContrastivePretext:
    shape = CONFIG.shape(FEATURIZER)
    keras.utils.set_random_seed(0)
    return kind(backbone_of(build_model(shape)), TRAINING, held_out, shape, FEATURIZER, CONFIG, 3, **options)


def numbers_of(rows: np.ndarray) -> set[float]:
    return set(rows.ravel().tolist())


@OBJECTIVES
@ARCHITECTURES
def test_each_objective_is_learned_by_each_architecture(architecture: Architecture, objective: Objective):
    config = replace(CONFIG, architecture=architecture)
    backbone, curves = pretrain(TRAINING, HELD_OUT, FEATURIZER, config, objective, 0)
    assert curves.loss[-1] < 0.9 * curves.loss[0]
    assert min(curves.validation_loss) < BY_CHANCE[objective]
    assert backbone.model.output_shape[-1] >= CONFIG.width
    assert not {"head", "head_network", "answer"} & {layer.name for layer in backbone.model.layers}


@pytest.mark.parametrize("objective", [Objective.NEXT_EVENT, Objective.COLES])
def test_the_same_seed_gives_the_same_backbone_also_when_it_was_broken_off(
    objective: Objective, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkpoint, save = Checkpoint(tmp_path / "checkpoint.npz", {}), Checkpoint.save

    def save_and_die(self: Checkpoint, progress: object) -> None:
        save(self, progress)
        raise BrokenOff

    config = replace(CONFIG, epochs=2)
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(BrokenOff):
            pretrain(TRAINING, HELD_OUT, FEATURIZER, config, objective, 0, checkpoint=checkpoint)
    assert len(checkpoint.load().losses["loss"]) == 1
    gone_on = pretrain(TRAINING, HELD_OUT, FEATURIZER, config, objective, 0, checkpoint=checkpoint)
    unbroken = pretrain(TRAINING, HELD_OUT, FEATURIZER, config, objective, 0)
    assert gone_on[1] == unbroken[1]
    weights = [made.model.get_weights() for made, _ in (gone_on, unbroken)]
    assert len(weights[0]) > 3
    assert all((one == other).all() for one, other in zip(*weights, strict=True))


def test_the_next_event_is_asked_for_at_every_step_but_a_users_last():
    pretext = pretext_of(EventPretext, masked=False)
    after = {tuple(row): index + 1 for index, row in enumerate(TRAINING.numeric.tolist())}
    lasts, asked = set((TRAINING.offsets[1:]).tolist()), 0
    for batch in pretext.epoch(0):
        for shown, answer, weight in zip(
            batch.inputs["numeric"][0].tolist(), batch.targets[0], batch.weights[0], strict=True
        ):
            if weight:
                row = after[tuple(shown)]
                assert row not in lasts
                assert answer.tolist() == [*TRAINING.numeric[row, :2].tolist(), float(TRAINING.categorical[row, 0])]
                asked += 1
    assert asked == len(TRAINING.numeric) - len(TRAINING.lengths)


def test_a_masked_event_is_hidden_where_it_is_asked_for_and_nothing_else_is():
    pretext = pretext_of(EventPretext, masked=True)
    batches = list(pretext.epoch(0))
    shown = {name: np.concatenate([batch.inputs[name][0] for batch in batches]) for name in ("numeric", "categorical")}
    asked = np.concatenate([batch.weights[0] for batch in batches]) > 0
    assert 0.1 * len(TRAINING.numeric) < asked.sum() < 0.2 * len(TRAINING.numeric)
    assert numbers_of(shown["numeric"][asked]) == {0.0}
    assert numbers_of(shown["categorical"][asked]) == {PADDING}
    answers = np.concatenate([batch.targets[0] for batch in batches])[asked]
    assert set(map(tuple, answers[:, :1].tolist())) <= set(map(tuple, TRAINING.numeric[:, :1].tolist()))
    again = np.concatenate([batch.weights[0] for batch in pretext.epoch(1)]) > 0
    assert not np.array_equal(asked, again)


def test_slices_come_in_pairs_from_one_trail_of_which_one_hides_its_aggregates():
    pretext, paces = pretext_of(ContrastivePretext), []
    for batch in pretext.epoch(0):
        numeric, last = batch.inputs["numeric"], batch.inputs["last"]
        users = len(last) // 2
        assert last.min() >= SHORTEST - 1
        assert numbers_of(batch.targets[:users] - batch.targets[users:]) == {0.0}
        assert len(numbers_of(batch.targets)) == users
        assert np.ptp(numeric[:users, :, 2]) > 0
        assert numbers_of(numeric[users:, :, 2]) == {0.0}
        for one, other in zip(range(users), range(users, 2 * users), strict=True):
            of = [np.mean(numeric[row, : last[row] + 1, 0]) for row in (one, other)]
            paces.append(of)
    alike = np.corrcoef(np.array(paces).T)[0, 1]
    assert alike > 0.9  # a user's pace is their own
    assert len(paces) == len(pretext) * pretext.at_once > 100


def test_the_event_loss_is_the_squared_error_and_the_cross_entropy_of_the_right_code():
    loss = EventLoss(1, (3, 2))
    given = np.log(np.array([[np.e**2, 0.5, 0.25, 0.25, 0.1, 0.9]], np.float32))
    found = float(loss(np.array([[1.0, 2.0, 0.0]], np.float32), given))
    assert found == pytest.approx((2 - 1) ** 2 + (np.log(4) - np.log(0.1)) / 2, rel=1e-5)


def test_the_softmax_loss_knows_each_slices_partner_and_nothing_of_itself():
    users = np.array([[0.0], [1.0], [0.0], [1.0]], np.float32)
    apart = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    assert float(SoftmaxLoss()(users, apart)) == pytest.approx(4 * np.log1p(2 * np.exp(-10)), rel=1e-2)
    assert float(SoftmaxLoss()(users, np.ones((4, 1), np.float32))) == pytest.approx(4 * np.log(3), rel=1e-4)


def test_too_few_trails_are_refused():
    alone = Steps(HELD_OUT.numeric[:1], HELD_OUT.categorical[:1], np.array([0, 1]))
    for kind, options in ((EventPretext, {"masked": False}), (ContrastivePretext, {})):
        with pytest.raises(TooFewTrails):
            pretext_of(kind, alone, **options)
    assert [split_users(users, 0).sum() for users in (2, 10, 100)] == [1, 1, 10]


@pytest.fixture(scope="module", params=list(Architecture))
def made(request: pytest.FixtureRequest) -> Backbone:
    """Not pre-trained."""
    config = replace(CONFIG, architecture=request.param)
    keras.utils.set_random_seed(5)
    return Backbone(backbone_of(build_model(config.shape(FEATURIZER))), config.shape(FEATURIZER), FEATURIZER)


def test_a_backbone_survives_its_files_and_a_model_starts_from_it(made: Backbone, tmp_path: Path):
    made.save(tmp_path)
    names = ["backbone.keras", "featurizer.json", "item_record.parquet", "pretraining.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    loaded = Backbone.load(tmp_path)
    assert loaded.config == made.config
    model = build_model(made.config)
    inputs = {"numeric": np.ones((2, 3, 3), np.float32), "categorical": np.ones((2, 3, 1), np.int32)}
    expected = keras.ops.convert_to_numpy(made.model(inputs))
    assert np.abs(keras.ops.convert_to_numpy(backbone_of(model)(inputs)) - expected).max() > 0.01
    loaded.start(model, made.config, FEATURIZER)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(backbone_of(model)(inputs)), expected, atol=1e-6)


def test_a_backbone_of_another_shape_or_of_other_inputs_is_refused(made: Backbone, tmp_path: Path):
    model = build_model(made.config)
    other = Architecture.LSTM if made.config.architecture is Architecture.GRU else Architecture.GRU
    for changed in ({"width": 16}, {"layers": 2}, {"architecture": other}, {"numeric": 4}):
        with pytest.raises(BackboneUnfit, match=next(iter(changed))):
            made.start(model, replace(made.config, **changed), FEATURIZER)
    with pytest.raises(BackboneUnfit, match="inputs"):
        made.start(model, made.config, replace(FEATURIZER, means=FEATURIZER.means | {"gap": 1.0}))
    made.start(model, replace(made.config, dropout=0.5), FEATURIZER)
    with pytest.raises(InputAbsent):
        Backbone.load(tmp_path / "nothing")


JAX = """
from tests.contract import test_pretraining as here
for objective in here.Objective:
    _, curves = here.pretrain(here.TRAINING, here.HELD_OUT, here.FEATURIZER, here.CONFIG, objective, 0)
    assert min(curves.validation_loss) < here.BY_CHANCE[objective], (objective, curves)
print("learned")
"""


def test_every_objective_is_learned_without_tensorflow():
    done = run_without_tensorflow(JAX)
    assert done.stdout == "learned\n", done.stderr
