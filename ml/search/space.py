"""What a search may change of a training, as data. Every default lies within."""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ml.models.config import Architecture

Space = dict[str, BaseDistribution]
SHAPE = ("width", "layers")
RECURRENT: Space = {"width": IntDistribution(32, 192, step=32), "layers": IntDistribution(1, 2)}
LEARNING: Space = {
    "dropout": FloatDistribution(0.0, 0.6),
    "learning_rate": FloatDistribution(3e-4, 1e-2, log=True),
    "weight_decay": FloatDistribution(1e-5, 1e-1, log=True),
    "users_per_step": CategoricalDistribution((64, 128, 256)),
    "balance": FloatDistribution(0.0, 1.0),
}
SPACES: dict[Architecture, Space] = {
    Architecture.GRU: RECURRENT | LEARNING,
    Architecture.LSTM: RECURRENT | LEARNING,
    Architecture.TRANSFORMER: LEARNING | {"width": IntDistribution(32, 128, step=32), "layers": IntDistribution(1, 4)},
    Architecture.FUSION: RECURRENT | LEARNING,
}


def space_of(architecture: Architecture, *, shape_is_given: bool) -> Space:
    """Names of TrainingConfig's fields -> what is tried; without SHAPE where a backbone or a size has it decided."""
    space = SPACES[architecture]
    return {name: values for name, values in space.items() if not (shape_is_given and name in SHAPE)}
