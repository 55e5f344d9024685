"""Of several attempts at the same, one is at work at a time."""

import fcntl
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ml.files import content_id

log = logging.getLogger(__name__)
FILE = ".turns"
# Options that say what a stage works on.
TARGETS = ("as_of", "learning", "start", "end", "shard", "of", "model", "version")


def name_work(stage: str, options: Mapping[str, object]) -> str:
    """What two attempts at a stage have in common if they are at the same; empty where nothing tells."""
    target = {name: str(options[name]) for name in TARGETS if name in options}
    return f"{stage} {target}" if target else ""


@contextmanager
def take_turn(lake: Path, work: str) -> Iterator[None]:
    """Waits until no other process is at this work. No work, or a lake that is not there yet, is waited for by nobody.

    A worker that is killed may leave its stage at work. What is started in its place waits for it and does all of it
    again; else the first, ending later, would take away what stages after the second have made. Whoever dies holds
    nothing any more.
    """
    if not work or not lake.is_dir():
        yield
        return
    with (lake / FILE).open("a") as file:
        place = int(content_id(work), 16)  # of a file that stays empty: each work locks a byte of its own
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            log.info("another process is at the same: waiting for its end (%s)", work)
            fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
        yield
