"""Starts the pytorch-lifestream peer in an environment of its own, made on demand."""

import json
import subprocess
from pathlib import Path
from types import TracebackType

from infra.side_environment import EnvironmentUnavailable, make_environment

FOLDER = Path(__file__).parent  # its lock leaves out what inference on a CPU never loads (spacy, triton)
ENVIRONMENT = Path(__file__).parents[3] / ".trailguard" / "bench" / "ptls"


class PeerUnavailable(Exception):
    """The environment cannot be made, or the peer ended; the message says why."""


class PeerProcess:
    """Calls of tests/bench/ptls/peer.py, one at a time; a context manager that ends the process."""

    def __init__(self, **setup: object):
        """Raises PeerUnavailable."""
        try:
            python = make_environment(ENVIRONMENT, FOLDER / "requirements.lock")
        except EnvironmentUnavailable as reason:
            raise PeerUnavailable(str(reason)) from None
        self._process = subprocess.Popen(
            [python, str(FOLDER / "peer.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(setup)

    def call(self, name: str, **arguments: object) -> object:
        return self._ask({"call": name, **arguments})

    def _ask(self, request: dict[str, object]) -> object:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise PeerUnavailable(f"the peer ended with status {self._process.wait()}") from error

    def __enter__(self) -> "PeerProcess":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait()
