"""`python -m ml STAGE`: every stage of the journey as a command."""

import logging
import sys

from ml.commands import (
    compare,
    evaluate,
    ingest,
    monitor,
    pretrain,
    privacy,
    promote,
    review,
    score,
    shadow,
    threshold,
    train,
    tune,
    update,
)
from ml.commands.stage import new_app
from ml.errors import TrailguardError

app = new_app(
    "Trailguard's stages, from raw events to published flags.\n\n"
    "Exit status: 0 done, 2 wrong usage, 3 refused (a gate or a contract said no), 4 an input is absent, 1 a bug."
)
PARTS = (
    *(ingest, compare, pretrain, tune, train, update, threshold, promote),
    *(score, shadow, monitor, review, evaluate, privacy),
)
for part in PARTS:
    app.registered_commands += part.app.registered_commands


def main() -> None:
    """Runs one stage and exits with its ExitCode; what it tells on the way goes to stderr."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("ml").setLevel(logging.INFO)
    try:
        app(prog_name="python -m ml")
    except TrailguardError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the stage's answer to whoever started it)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
