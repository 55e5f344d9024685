"""What a sequence model is built from, as data."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a causal GRU.

    numeric: numeric inputs of each step.
    vocabulary_sizes: codes of each categorical input, padding and unknown included.
    width: units of the step network and of each GRU layer.
    layers: GRU layers.
    dropout: share of a step's units that training drops, before the first GRU layer and after each.
    """

    numeric: int
    vocabulary_sizes: tuple[int, ...]
    width: int = 96
    layers: int = 1
    dropout: float = 0.2

    def to_dict(self) -> dict[str, object]:
        return asdict(self)
