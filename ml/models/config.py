"""What a sequence model is built from, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from ml.errors import ExitCode, TrailguardError


class Architecture(StrEnum):
    """How a model looks back at a user's earlier steps."""

    GRU = "gru"
    LSTM = "lstm"
    TRANSFORMER = "transformer"
    FUSION = "fusion"


class Size(StrEnum):
    """How many weights a model has: its architecture's own default, or about 0.1, 1 or 10 million."""

    DEFAULT = "default"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class WidthNotDivisible(TrailguardError):
    """A Transformer's width cannot be shared evenly among its attention heads.

    Each head needs an even number of units: rotary positions turn them in pairs.
    """

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a causal sequence model.

    numeric: numeric inputs of each step.
    vocabulary_sizes: codes of each categorical input, padding and unknown included.
    architecture: one of Architecture. Raises ValueError for any other.
    width: units of the step network and of each layer.
    layers: recurrent layers, or the Transformer's blocks.
    heads: attention heads of each block; a recurrent layer has none. Raises WidthNotDivisible.
    encoded: the numeric inputs, by their places, that a fusion encodes piece by piece.
    dropout: share of a step's units that training drops, before the first layer and after each.
    """

    numeric: int
    vocabulary_sizes: tuple[int, ...]
    architecture: Architecture = Architecture.GRU
    width: int = 96
    layers: int = 1
    heads: int = 4
    dropout: float = 0.2
    encoded: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if Architecture(self.architecture) is Architecture.TRANSFORMER and self.width % (2 * self.heads):
            raise WidthNotDivisible(width=self.width, heads=self.heads)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_dict(cls, shape: Mapping[str, object]) -> "ModelConfig":
        """What `to_dict` gave, also after it has been JSON, which knows no tuples."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in shape.items()})
