"""Stages share the lake; an erasure has it to itself, so that nothing which was read before it is written after it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = ".lock"


@contextmanager
def hold_lake(lake: Path, *, alone: bool) -> Iterator[None]:
    """Waits until no erasure is under way or, to be alone, until no stage is; one that dies holds nothing any more.

    A lake that is not there yet is held by nobody.
    """
    if not lake.is_dir():
        yield
        return
    with (lake / FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
