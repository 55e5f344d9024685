"""What a comparison says should be trained."""

import json
from pathlib import Path

from ml.errors import ExitCode, TrailguardError
from ml.training.candidates import Candidate

SAFE = Candidate.LIGHTGBM


class NoComparison(TrailguardError):
    """No comparison says which model wins as of that day, so the winner cannot be trained.

    Run compare-models as of the same day first (train_model does it with the parameter `compare`), or name a model.
    """

    exit_code = ExitCode.USAGE


def read_winner(comparison: Path) -> Candidate | None:
    """None where too few users were judged to name one; SAFE is then the choice that nothing speaks against.

    comparison: the folder that `write_report` wrote to. Raises NoComparison.
    """
    path = comparison / "report.json"
    if not path.is_file():
        raise NoComparison(looked_for=path)
    winner = json.loads(path.read_text())["winner"]
    return winner and Candidate(winner)
