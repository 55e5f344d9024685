"""How a model is trained, as data."""

from dataclasses import dataclass, replace

from ml.models.config import Architecture, ModelConfig, Size
from ml.sequences.features import Featurizer
from ml.training.tuning import Tuning


@dataclass(frozen=True)
class TrainingConfig:
    """The defaults are the GRU's, found on wikipedia-edits by its validation slice, where they suit the LSTM as well;
    DEFAULTS has each architecture's.

    architecture, width, layers, heads, dropout: see ModelConfig.
    epochs: at most this many passes over the training users; where these are few, see ml.training.batches.
    patience: epochs without a better validation loss before training stops.
    users_per_step: users whose gradients make one optimizer step.
    learning_rate, weight_decay: of AdamW; the rate is the first step's.
    averaging: momentum of the running mean of the weights, which is what is validated and kept.
    tuning: which weights move; anything but FULL starts from a pre-trained backbone.
    rank, alpha: of the adapters under Tuning.LORA; a kernel's change is scaled by alpha / rank.
    wrong_labels: the share of labels that are taken for wrong, see ml.training.loss.
    balance: 0 where users weigh alike, 1 where anomalous ones weigh as much as all others together.
    """

    architecture: Architecture = Architecture.GRU
    width: int = 96
    layers: int = 1
    heads: int = 4
    dropout: float = 0.2
    epochs: int = 12
    patience: int = 4
    users_per_step: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    averaging: float = 0.995
    tuning: Tuning = Tuning.FULL
    rank: int = 8
    alpha: float = 16.0
    wrong_labels: float = 0.0
    balance: float = 0.0

    def shape(self, featurizer: Featurizer) -> ModelConfig:
        """Of the model that reads what the featurizer makes."""
        return ModelConfig(
            numeric=len(featurizer.numeric_names),
            vocabulary_sizes=featurizer.vocabulary_sizes,
            architecture=self.architecture,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
            encoded=self._encoded(featurizer),
        )

    def _encoded(self, featurizer: Featurizer) -> tuple[int, ...]:
        """Numbers that describe one event: running aggregates, encoded as well, were learned by heart."""
        if self.architecture is not Architecture.FUSION:
            return ()
        return tuple(featurizer.single_event_columns.tolist())


DEFAULTS = {
    Architecture.GRU: TrainingConfig(),
    Architecture.LSTM: TrainingConfig(architecture=Architecture.LSTM),
    Architecture.TRANSFORMER: TrainingConfig(architecture=Architecture.TRANSFORMER, width=64, layers=2),
    Architecture.FUSION: TrainingConfig(architecture=Architecture.FUSION, dropout=0.4, epochs=16),
}

SHAPES = {
    Architecture.GRU: {
        Size.SMALL: {"width": 104, "layers": 1},
        Size.MEDIUM: {"width": 232, "layers": 2},
        Size.LARGE: {"width": 744, "layers": 2},
    },
    Architecture.LSTM: {
        Size.SMALL: {"width": 96, "layers": 1},
        Size.MEDIUM: {"width": 208, "layers": 2},
        Size.LARGE: {"width": 656, "layers": 2},
    },
    Architecture.TRANSFORMER: {
        Size.SMALL: {"width": 64, "layers": 2},
        Size.MEDIUM: {"width": 160, "layers": 3},
        Size.LARGE: {"width": 320, "layers": 8},
    },
    Architecture.FUSION: {
        Size.SMALL: {"width": 92, "layers": 1},
        Size.MEDIUM: {"width": 216, "layers": 2},
        Size.LARGE: {"width": 696, "layers": 2},
    },
}


def configure(architecture: Architecture, size: Size = Size.DEFAULT, **changed: object) -> TrainingConfig:
    """The architecture's defaults with what is changed; a size that is asked for decides width and layers."""
    return replace(DEFAULTS[architecture], **changed | SHAPES[architecture].get(size, {}))
