"""How a model is trained, as data."""

from dataclasses import dataclass

from ml.models.config import Architecture


@dataclass(frozen=True)
class TrainingConfig:
    """The defaults are the GRU's, found on wikipedia-edits by its validation slice, where they suit the LSTM as well;
    DEFAULTS has each architecture's.

    architecture, width, layers, heads, dropout: see ModelConfig.
    epochs: at most this many passes over the training users.
    patience: epochs without a better validation loss before training stops.
    users_per_step: users whose gradients make one optimizer step.
    learning_rate, weight_decay: of AdamW; the rate is the first step's.
    averaging: momentum of the running mean of the weights, which is what is validated and kept.
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


DEFAULTS = {
    Architecture.GRU: TrainingConfig(),
    Architecture.LSTM: TrainingConfig(architecture=Architecture.LSTM),
    Architecture.TRANSFORMER: TrainingConfig(architecture=Architecture.TRANSFORMER, width=64, layers=2),
    Architecture.FUSION: TrainingConfig(architecture=Architecture.FUSION, dropout=0.4, epochs=16),
}
