"""Starts a stage as its own process and turns its exit status into Airflow's words.

A stage is a command (`python -m ml score-shard ...`), never a function called in the task's process: Airflow forks its
tasks, and a TensorFlow or GPU runtime must not be forked. The stage's output goes to the task's log line by line; the
JSON object on its last line is what the task returns.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ml.errors import ExitCode

log = logging.getLogger(__name__)

NEVER_RETRIED = {ExitCode.USAGE, ExitCode.REFUSED}
ACCOUNTS = ("ERASER_",)  # what the variables of accounts other than the pipeline's begin with
GRACE_SECONDS = 20  # between asking a stage to stop and killing it


def run_stage(stage: str, *, module: str = "ml", account: str = "", **options: object) -> dict:
    """Runs `python -m <module> <stage> --name value ...` and returns the JSON object of its last line.

    account: with whose rights, the pipeline's by default; the variables that begin with its name stand in for those
    without it.
    Raises AirflowFailException (no retry helps) when the stage refused or was called wrongly, else AirflowException.
    """
    arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", module, stage, *arguments]
    log.info("%s", " ".join(command[1:]))
    with _process_group(command, _environment(account)) as process, ThreadPoolExecutor(1) as reader:
        complaint = reader.submit(_log_lines, process.stderr)
        result = _log_lines(process.stdout)
        status = process.wait()
    if status in NEVER_RETRIED:
        raise AirflowFailException(f"{stage} refused: {complaint.result()}")
    if status != ExitCode.OK:
        raise AirflowException(f"{stage} ended with status {status}: {complaint.result()}")
    return json.loads(result)


def _environment(account: str) -> dict[str, str]:
    """Ours, without the rights of other accounts."""
    own = f"{account.upper()}_" if account else ""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ACCOUNTS)}
    return plain | {name.removeprefix(own): value for name, value in os.environ.items() if own and name.startswith(own)}


def _log_lines(stream: IO[str]) -> str:
    """Sends each line to the task's log and returns the last one that is not blank."""
    last = ""
    for line in stream:
        last = line.rstrip() or last
        log.info("%s", line.rstrip())
    return last


@contextmanager
def _process_group(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """The command in a session of its own, stopped as a whole when the task is stopped."""
    process = subprocess.Popen(  # noqa: S603 (our own interpreter, arguments as a list)
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _stop(process)


def _stop(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
