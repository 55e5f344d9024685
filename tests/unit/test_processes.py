import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.processes import Record, marked, read_record, start, stop, write_record

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
# leaves a grandchild in a session of its own, and ends
RUNAWAY = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {!r}], start_new_session=True); print('ready')"
)

# as any process does in the last moments of its life, it has no environment left that could tell whose it is
UNMARKED = (
    "import os, signal, sys, time; "
    "end = lambda *_: os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(1)'], {}); "
    "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
)


def python(code: str, mark: str, log: Path) -> subprocess.Popen:
    child = start([sys.executable, "-c", code], mark, {"PYTHONPATH": os.getcwd()}, log)
    give_up = time.monotonic() + 10
    while "ready" not in log.read_text():
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return child


@pytest.fixture
def mark(tmp_path):
    name = f"{tmp_path}:service"
    yield name
    stop(name, grace=0)


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path, mark):
    child = python(STUBBORN, mark, tmp_path / "log")
    stop(mark, grace=0.2)
    assert child.wait() == -signal.SIGKILL
    assert marked(mark) == []


def test_a_process_that_is_ending_is_waited_for_after_it_lost_its_mark(tmp_path, mark):
    child = python(UNMARKED, mark, tmp_path / "log")
    stop(mark)
    assert child.poll() == 0


def test_a_grandchild_that_left_its_family_is_found_and_stopped(tmp_path, mark):
    child = python(RUNAWAY.format(STUBBORN), mark, tmp_path / "log")
    assert child.wait() == 0
    assert len(marked(mark)) == 1
    stop(mark, grace=0.2)
    assert marked(mark) == []


def test_stopping_one_service_leaves_another_alone(tmp_path, mark):
    python(STUBBORN, mark, tmp_path / "log")
    stop(f"{tmp_path}:another", grace=0)
    assert len(marked(mark)) == 1


def test_a_process_that_got_an_old_pid_is_not_taken_for_the_service(tmp_path):
    file = tmp_path / "service.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        write_record(file, stranger.pid, "recipe")
        ours = read_record(file)
        assert ours.process().pid == stranger.pid
        assert Record(ours.pid, ours.created - 60, ours.recipe).process() is None
        stranger.communicate(b"\n")
    assert ours.process() is None


def test_a_service_never_started_has_no_record(tmp_path):
    assert read_record(tmp_path / "service.json") is None
