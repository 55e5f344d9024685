"""What a training has learned, in memory: a network, boosted trees, or both as a blend."""

import os
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from ml.evaluation.views import cut_views, last_targets
from ml.models.blend import mix, save_weights, stack, weigh
from ml.models.boosting import GRID, Grown, Table, search
from ml.models.files import export_onnx, save_keras
from ml.models.infer import infer_logits
from ml.models.trees import Trees
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences
from ml.training.candidates import Candidate
from ml.training.config import TrainingConfig
from ml.training.epochs import Curves
from ml.training.learner import Learner


class Learned(ABC):
    """A fitted model, before it is files."""

    @property
    @abstractmethod
    def curves(self) -> Curves:
        """Of boosted trees, a round is an epoch."""

    @abstractmethod
    def logits(self, steps: Steps) -> np.ndarray:
        """float32 (events,), as its ScoringModel's."""

    @abstractmethod
    def save(self, bundle: Path) -> dict[str, object]:
        """Writes what a Scorer opens and returns its facts for training.json: `config`, `validation_loss`, ..."""


@dataclass(frozen=True)
class LearnedNetwork(Learned):
    """origin: digest of the backbone that it started from, empty where there was none."""

    model: keras.Model
    course: Curves
    config: TrainingConfig
    seed: int
    origin: str

    @property
    def curves(self) -> Curves:
        return self.course

    def logits(self, steps: Steps) -> np.ndarray:
        return infer_logits(self.model, steps)

    def save(self, bundle: Path) -> dict[str, object]:
        save_keras(self.model, bundle / "model.keras")
        return {
            "config": asdict(self.config),
            "parameters": self.model.count_params(),
            "trained_share": round(Learner(self.model, self.config, self.seed).trained_share, 4),
            "backbone_sha256": self.origin,
            "best_epoch": self.curves.best_epoch,
            "validation_loss": min(self.curves.validation_loss, default=None),
            "onnx_difference": export_onnx(self.model, bundle),
            "backend": keras.backend.backend(),
        }


@dataclass(frozen=True)
class LearnedTrees(Learned):
    trees: Trees
    grown: Grown

    @classmethod
    def fit(cls, training: Table, validation: Table, featurizer: Featurizer, seed: int) -> "LearnedTrees":
        """training, validation: see `asked_table`."""
        grown = search(training, validation, seed=seed, at_once=os.cpu_count() or 1)
        return cls(Trees(grown.booster, featurizer), grown)

    @property
    def curves(self) -> Curves:
        return Curves(self.grown.loss, self.grown.validation_loss)

    def logits(self, steps: Steps) -> np.ndarray:
        return self.trees.logits(steps)

    def save(self, bundle: Path) -> dict[str, object]:
        self.trees.save(bundle)
        chosen = self.grown.chosen
        return {
            "config": {"architecture": Candidate.LIGHTGBM, **{name: chosen[name] for name in GRID[0]}},
            "rounds": chosen["rounds"],
            "best_epoch": self.curves.best_epoch,
            "validation_loss": chosen["validation_loss"],
        }


@dataclass(frozen=True)
class LearnedBlend(Learned):
    """weights: of network and trees, and the level; see ml.models.blend.weigh."""

    network: LearnedNetwork
    trees: LearnedTrees
    weights: np.ndarray

    @classmethod
    def fit(
        cls, network: LearnedNetwork, trees: LearnedTrees, validation: Sequences, featurizer: Featurizer
    ) -> "LearnedBlend":
        """One weight for each on trails of any length: of the lowest loss over all views of the validation users."""
        stacked, targets = [], []
        for cut in cut_views(validation, featurizer.window).values():
            steps = featurizer.transform(cut)
            stacked.append(stack([network.logits(steps)[cut.last_rows], trees.trees.last_logits(steps)]))
            targets.append(last_targets(cut))
        return cls(network, trees, weigh(np.concatenate(stacked), np.concatenate(targets)))

    @property
    def curves(self) -> Curves:
        """The network's."""
        return self.network.curves

    def logits(self, steps: Steps) -> np.ndarray:
        return mix([self.network.logits(steps), self.trees.logits(steps)], self.weights)

    def save(self, bundle: Path) -> dict[str, object]:
        network, trees = self.network.save(bundle), self.trees.save(bundle)
        save_weights(self.weights, bundle)
        config = {**network["config"], "architecture": Candidate.BLEND, "network": network["config"]["architecture"]}
        weights = dict(zip(("network_weight", "trees_weight", "level"), self.weights.tolist(), strict=True))
        told = {f"trees_{name}": trees[name] for name in ("rounds", "validation_loss")}
        return network | {"config": config} | told | weights
