"""Files that appear whole or not at all, and what they hold, told apart by a name."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def new_file(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """A hidden file beside `path` for the block to write; it becomes `path` if the block ends well.

    replace: whether it takes the place of one that is there; else that one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield unfinished
        if replace:
            os.replace(unfinished, path)
        else:
            with suppress(FileExistsError):
                os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with new_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """What JSON has no word for is written as its str()."""
    write_text(path, json.dumps(content, indent=1, default=str) + "\n")


def content_id(content: object) -> str:
    """12 hex digits: the same for the same content, as JSON has it."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
