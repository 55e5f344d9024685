"""What a search may change, what it remembers, and what fit-model takes of it."""

import json
from dataclasses import fields
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from ml.errors import InputAbsent
from ml.models.config import Architecture, Size
from ml.search.space import SHAPE, SPACES, space_of
from ml.search.study import STARTUP, Study
from ml.search.tuned import FILE, NothingTried, NotTuned, read_tuned, write_tuned
from ml.training.config import DEFAULTS, TrainingConfig, configure

ARCHITECTURES = pytest.mark.parametrize("architecture", list(Architecture))
GRU = DEFAULTS[Architecture.GRU]


def open_study(folder: Path, *, seed: int = 0, **key: object) -> Study:
    return Study(folder, key, GRU, space_of(Architecture.GRU, shape_is_given=False), seed)


def try_one(study: Study) -> dict[str, object]:
    """The loss is the learning rate."""
    trial = study.ask()
    study.tell(trial, TrialState.COMPLETE, trial.params["learning_rate"])
    return trial.params


@ARCHITECTURES
def test_every_default_lies_within_its_space(architecture: Architecture):
    space, default = SPACES[architecture], DEFAULTS[architecture]
    assert {*SHAPE, "dropout", "learning_rate", "weight_decay", "users_per_step", "balance"} == set(space)
    assert set(space) <= {field.name for field in fields(TrainingConfig)}
    for name, values in space.items():
        assert values._contains(values.to_internal_repr(getattr(default, name))), name


@ARCHITECTURES
def test_every_width_in_the_space_can_be_shared_among_the_heads(architecture: Architecture):
    width, heads = SPACES[architecture]["width"], DEFAULTS[architecture].heads
    widths = range(width.low, width.high + 1, width.step)
    assert len(widths) > 2
    assert all(units % (2 * heads) == 0 for units in widths)


def test_a_shape_that_is_given_is_not_searched():
    assert not set(SHAPE) & set(space_of(Architecture.FUSION, shape_is_given=True))


def test_the_default_is_tried_first_and_others_after_it(tmp_path: Path):
    open_study(tmp_path).ask()  # and its process is killed
    study = open_study(tmp_path)
    tried = [try_one(study) for _ in range(3)]
    assert tried[0] == {name: getattr(GRU, name) for name in study.space}
    assert len({json.dumps(params) for params in tried}) == 3


def test_a_search_that_goes_on_proposes_what_an_unbroken_one_would(tmp_path: Path):
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    study = open_study(tmp_path / "unbroken")
    unbroken = [try_one(study) for _ in range(STARTUP + 3)]
    broken = open_study(tmp_path / "broken")
    gone_on = [try_one(broken) for _ in range(STARTUP + 1)]
    broken.ask()  # and its process is killed
    gone_on += [try_one(study) for study in [open_study(tmp_path / "broken")] for _ in range(2)]
    assert gone_on == unbroken


def test_another_snapshot_or_seed_is_another_search(tmp_path: Path):
    first = try_one(open_study(tmp_path, fingerprint="a"))
    assert [len(open_study(tmp_path, fingerprint=name).done) for name in ("a", "b")] == [1, 0]
    assert open_study(tmp_path, fingerprint="a", seed=1).done == []
    assert try_one(open_study(tmp_path, fingerprint="b")) == first


def test_the_file_holds_the_best_of_each_architecture_beside_the_defaults_loss(tmp_path: Path):
    study = open_study(tmp_path)
    tried = [try_one(study) for _ in range(4)]
    (tmp_path / FILE).write_text(json.dumps({"lstm": {"config": {"width": 64}}}))
    found = write_tuned(tmp_path, study, fingerprint="a")
    best = min(tried, key=lambda params: params["learning_rate"])
    assert read_tuned(tmp_path / FILE, Architecture.GRU) == found["config"] == best
    assert found["default_validation_loss"] == GRU.learning_rate > found["validation_loss"] == best["learning_rate"]
    assert found["trials"] == {"complete": 4}
    assert read_tuned(tmp_path / FILE, Architecture.LSTM) == {"width": 64}


def test_nothing_is_taken_where_nothing_was_found(tmp_path: Path):
    with pytest.raises(NothingTried, match="pruned=0"):
        write_tuned(tmp_path, open_study(tmp_path), fingerprint="a")
    with pytest.raises(InputAbsent):
        read_tuned(tmp_path / FILE, Architecture.GRU)
    (tmp_path / FILE).write_text('{"lstm": {}}')
    with pytest.raises(NotTuned, match=r"architecture=gru .* holds=lstm"):
        read_tuned(tmp_path / FILE, Architecture.GRU)


def test_a_size_that_is_asked_for_decides_the_shape_whatever_was_found():
    found = configure(Architecture.GRU, Size.MEDIUM, width=32, dropout=0.5)
    assert (found.width, found.dropout) == (configure(Architecture.GRU, Size.MEDIUM).width, 0.5)
    assert configure(Architecture.GRU, width=32).width == 32
    assert configure(Architecture.FUSION) == DEFAULTS[Architecture.FUSION]


def test_the_sampler_learns_from_what_was_tried(tmp_path: Path):
    study = open_study(tmp_path)
    rates = [try_one(study)["learning_rate"] for _ in range(25)]
    assert isinstance(study.memory.sampler, optuna.samplers.TPESampler)
    assert sum(rates[-10:]) < sum(rates[1:11])
