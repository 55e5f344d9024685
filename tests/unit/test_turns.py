import subprocess
import sys

TURN = """
import sys
from pathlib import Path
from ml.commands.turns import name_work, take_turn

with take_turn(Path(sys.argv[1]), name_work("fit_model", {"as_of": sys.argv[2], "seed": 0})):
    print("at work", flush=True)
    sys.stdin.read()
"""


def attempt(lake, as_of: str) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", TURN, lake, as_of], **pipes)


def test_a_second_attempt_at_the_same_waits_until_the_first_is_over_or_dead(tmp_path):
    first = attempt(tmp_path, "2026-03-01")
    assert first.stdout.readline() == "at work\n"
    second, other = attempt(tmp_path, "2026-03-01"), attempt(tmp_path, "2026-03-08")
    assert other.stdout.readline() == "at work\n", "another training need not wait"
    assert second.poll() is None
    first.kill()
    assert second.stdout.readline() == "at work\n"
    for process in (second, other):
        process.communicate()
    first.communicate()
    assert (second.returncode, other.returncode) == (0, 0)
    assert (tmp_path / ".turns").stat().st_size == 0
