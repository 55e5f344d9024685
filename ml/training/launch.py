"""Starts the workers of a training, and starts them again when one was killed. It need not import TensorFlow itself."""

import logging
import os
import sys
from collections.abc import Callable
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess

from ml.errors import ExitCode, TrailguardError
from ml.training.team import Team, add_up

log = logging.getLogger(__name__)
RESTARTS = 3


class WorkerFailed(TrailguardError):
    """A worker of the training ended before its work was done.

    Its own words are above. A worker that was killed, by the system for its memory say, had been started again before;
    run the stage again to go on from the newest checkpoint.
    """

    exit_code = ExitCode.BUG


def launch(work: Callable[[Team], object], *, workers: int) -> int:
    """Runs work(team) in `workers` processes and waits for them; work can be pickled and goes on from a checkpoint.

    When a worker is killed, all are stopped and started again, RESTARTS times at most. Returns how often that was.
    Raises WorkerFailed, at once where a worker failed by itself.
    """
    for restarts in range(RESTARTS + 1):
        codes = _run(work, workers)
        if not any(codes):
            return restarts
        failed = [code for code in codes if code > 0]
        if failed:
            break
        log.warning("a worker was killed; exit statuses %s", codes)
    error = WorkerFailed(exit_statuses=codes)
    if failed and failed[0] in set(ExitCode):
        error.exit_code = ExitCode(failed[0])
    raise error


def _run(work: Callable[[Team], object], workers: int) -> list[int]:
    """The workers' exit statuses: all 0, or those from when the first was lost, where 0 says nothing."""
    context = get_context("spawn")
    processes, pipes = [], []
    for rank in range(workers):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(work, Team(rank, workers, theirs)), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends with the worker
        processes.append(process)
        pipes.append(ours)
    try:
        add_up(pipes)
        return _wait(processes)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _wait(processes: list[BaseProcess]) -> list[int]:
    """Waits until all have ended well or the first has not."""
    running = {process.sentinel: process for process in processes}
    while running:
        for sentinel in connection.wait(list(running)):
            process = running.pop(sentinel)
            process.join()  # the sentinel can be seen before the status
            if process.exitcode:
                return [process.exitcode or 0 for process in processes]
    return [0] * len(processes)


def _work(work: Callable[[Team], object], team: Team) -> None:
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(max(1, (os.cpu_count() or 1) // team.size))
    logging.basicConfig(level=logging.INFO if team.rank == 0 else logging.WARNING)
    try:
        work(team)
    except TrailguardError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the stage's answer to whoever started it)
        sys.exit(error.exit_code)
