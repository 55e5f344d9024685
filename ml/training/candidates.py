"""What can be trained and registered, as data."""

from enum import StrEnum

from ml.errors import ExitCode, TrailguardError
from ml.models.config import Architecture


class Candidate(StrEnum):
    """What may become a challenger."""

    GRU = "gru"
    LSTM = "lstm"
    TRANSFORMER = "transformer"
    FUSION = "fusion"
    LIGHTGBM = "lightgbm"
    BLEND = "blend"


NETWORKS = {candidate: Architecture(candidate) for candidate in Candidate if candidate in set(Architecture)} | {
    Candidate.BLEND: Architecture.FUSION
}  # the candidates that are a network or hold one
WINNER = "winner"  # whichever candidate the comparison as of the same day names
Choice = StrEnum("Choice", [*((candidate.name, candidate.value) for candidate in Candidate), ("WINNER", WINNER)])
BOOSTED = (Candidate.LIGHTGBM, Candidate.BLEND)  # those that are boosted trees or hold them


class OnlyForNetworks(TrailguardError):
    """Boosted trees start from no backbone, are not tuned in part, doubt no label, and are fitted by one process.

    Leave --backbone, --tuning, --doubt and --workers out, or train a network or the blend.
    """

    exit_code = ExitCode.USAGE
