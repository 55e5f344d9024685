"""Starts the pytorch-lifestream peer in an environment of its own, made on demand."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType

FOLDER = Path(__file__).parent
ENVIRONMENT = Path(__file__).parents[3] / ".trailguard" / "bench" / "ptls"
PYTHON = ENVIRONMENT / "bin" / "python"


class PeerUnavailable(Exception):
    """The environment cannot be made; the message says why."""


def install() -> None:
    """Makes the environment unless the same lock made it before. Raises PeerUnavailable."""
    lock, made = FOLDER / "requirements.lock", ENVIRONMENT / "made-from.lock"
    if made.is_file() and made.read_text() == lock.read_text():
        return
    uv = [sys.executable, "-m", "uv"]
    # The lock leaves out what inference on a CPU never loads (spacy, triton); hence --no-deps.
    packages = ["pip", "install", "--no-deps", "--require-hashes", "--python", str(PYTHON), "-r", str(lock)]
    for command in ([*uv, "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)], [*uv, *packages]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerUnavailable(done.stderr.strip()[-500:])
    made.write_text(lock.read_text())


class PeerProcess:
    """Calls of tests/bench/ptls/peer.py, one at a time; a context manager that ends the process."""

    def __init__(self, **setup: object):
        """Raises PeerUnavailable."""
        install()
        self._process = subprocess.Popen(
            [PYTHON, str(FOLDER / "peer.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
