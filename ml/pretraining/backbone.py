"""A pre-trained backbone: the part of a model below its head, with the inputs that it was trained to read."""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import keras

from ml.contracts.intervals import parse_time
from ml.errors import ExitCode, InputAbsent, TrailguardError
from ml.files import write_json
from ml.models.config import ModelConfig
from ml.models.files import load_keras, save_keras
from ml.sequences.features import Featurizer
from ml.training.snapshot import Snapshot

FACTS, WEIGHTS = "pretraining.json", "backbone.keras"


class BackboneUnfit(TrailguardError):
    """The pre-trained backbone is of another shape than the model, or was trained to read other inputs.

    Fine-tune the architecture that was pre-trained, at its width, on the window and extras it has seen; or pre-train
    again.
    """

    exit_code = ExitCode.USAGE


class BackboneTooNew(TrailguardError):
    """The backbone has seen events from after the moment as of which a model is to be trained.

    Pre-train as of that moment or an earlier one.
    """


@dataclass(frozen=True)
class Backbone:
    """model: see backbone_of. config: of the model it belongs to. featurizer: of its inputs. facts: how it was made;
    `as_of` is the moment before which all that it has seen lies."""

    model: keras.Model
    config: ModelConfig
    featurizer: Featurizer
    facts: dict[str, object] = field(default_factory=dict)

    def start(self, model: keras.Model, config: ModelConfig, featurizer: Featurizer) -> None:
        """Gives the model's layers of the same names these weights. Raises BackboneUnfit."""
        mine, theirs = (asdict(replace(shape, dropout=0.0)) for shape in (self.config, config))
        differing = {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}
        if differing:
            raise BackboneUnfit(**{name: f"{had} (not {wanted})" for name, (had, wanted) in differing.items()})
        if _inputs(self.featurizer) != _inputs(featurizer):
            raise BackboneUnfit(inputs="scaled or coded in another way")
        for layer in self.model.layers:
            model.get_layer(layer.name).set_weights(layer.get_weights())

    def featurizer_for(self, snapshot: Snapshot) -> Featurizer:
        """The featurizer that a model which starts from here needs: its own, with what the snapshot knows of items.

        Raises BackboneUnfit, BackboneTooNew.
        """
        found = {"window": self.featurizer.window, "extras": self.featurizer.extras}
        wanted = {"window": snapshot.window, "extras": snapshot.extras}
        if found != wanted:
            raise BackboneUnfit(**{name: f"{found[name]} (not {wanted[name]})" for name in found})
        if "as_of" in self.facts and _moment(self.facts) > snapshot.as_of:
            raise BackboneTooNew(backbone=self.facts["as_of"], as_of=snapshot.as_of.isoformat())
        return replace(self.featurizer, record=snapshot.record)

    def save(self, folder: Path) -> None:
        """Writes featurizer.json, item_record.parquet, backbone.keras and, last, pretraining.json."""
        self.featurizer.save(folder)
        save_keras(self.model, folder / WEIGHTS)
        write_json(folder / FACTS, {**self.facts, "model": self.config.to_dict()})

    @classmethod
    def load(cls, folder: Path) -> "Backbone":
        """Reads what `save` wrote, weights in Keras' safe mode. Raises InputAbsent."""
        if not (folder / FACTS).exists():
            raise InputAbsent(backbone=folder)
        facts = json.loads((folder / FACTS).read_text())
        config = ModelConfig.from_dict(facts.pop("model"))
        return cls(load_keras(folder / WEIGHTS), config, Featurizer.load(folder), facts)


def _moment(facts: dict[str, object]) -> datetime:
    return parse_time(str(facts["as_of"]))


def _inputs(featurizer: Featurizer) -> Featurizer:
    """All that decides how events become inputs, but what was known of items at some moment."""
    return replace(featurizer, record=None)
