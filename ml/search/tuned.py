"""What searches found for a snapshot, one part for each architecture: tuned.json, which fit-model can take."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ml.errors import ExitCode, InputAbsent, TrailguardError
from ml.files import write_json
from ml.models.config import Architecture

if TYPE_CHECKING:
    from ml.search.study import Study

FILE = "tuned.json"


class NothingTried(TrailguardError):
    """No configuration could be trained to its end within the budget.

    Give the search more minutes: what it knows by now is kept.
    """


class NotTuned(TrailguardError):
    """The file holds no configuration for the architecture.

    Run tune-model for it first, or fit it as it is by default.
    """

    exit_code = ExitCode.USAGE


def write_tuned(folder: Path, study: "Study", *, fingerprint: str) -> dict[str, object]:
    """Puts the architecture's part into the file, leaving the others', and returns it. Raises NothingTried."""
    if study.best is None:
        raise NothingTried(pruned=len(study.done))
    found = {
        "config": study.best.params,
        "validation_loss": study.best.value,
        "default_validation_loss": study.done[0].value,
        "trials": Counter(trial.state.name.lower() for trial in study.done),
        "seed": study.seed,
        "fingerprint": fingerprint,
    }
    path = folder / FILE
    others = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, others | {study.default.architecture: found})
    return found


def read_tuned(path: Path, architecture: Architecture) -> dict[str, object]:
    """Names of TrainingConfig's fields -> the values that were found. Raises InputAbsent, NotTuned."""
    if not path.exists():
        raise InputAbsent(tuned=path)
    found = json.loads(path.read_text())
    if architecture not in found:
        raise NotTuned(architecture=architecture, file=path, holds=", ".join(found))
    return found[architecture]["config"]
