"""How a model is trained, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """The defaults were found on wikipedia-edits, by its validation slice.

    width, layers, dropout: see ModelConfig.
    epochs: at most this many passes over the training users.
    patience: epochs without a better validation loss before training stops.
    users_per_step: users whose gradients make one optimizer step.
    learning_rate, weight_decay: of AdamW; the rate is the first step's.
    averaging: momentum of the running mean of the weights, which is what is validated and kept.
    """

    width: int = 96
    layers: int = 1
    dropout: float = 0.2
    epochs: int = 12
    patience: int = 4
    users_per_step: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    averaging: float = 0.995
