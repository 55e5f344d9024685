"""Opens a data file and hands out its lines in blocks of bounded size."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ml.datasets.file_pattern import SourceFile
from ml.errors import TrailguardError

BLOCK = 8 * 2**20  # bytes read at a time
MAX_LINE = 2**17  # bytes; a longer line is no row of a table
MAX_EXPANSION = 200  # times its own size that a compressed file may hold; text reaches about 50
EXPANSION_FLOOR = 64 * 2**20  # bytes that any compressed file may hold
_BOM = b"\xef\xbb\xbf"


class SourceUnreadable(TrailguardError):
    """A data file cannot be read to its end, so none of its rows is published.

    Fetch the file again, or take it out of the folder.
    """


@dataclass(frozen=True)
class Block:
    """Whole lines. data: ends with a newline. line: 1-based number of its first line in the file."""

    data: bytes
    line: int
    last: bool


def read_blocks(source: SourceFile) -> Iterator[Block]:
    """The file's lines, without a byte order mark. Of a line longer than MAX_LINE only its beginning is handed on.

    Raises SourceUnreadable for a file that is missing, truncated, corrupt, or expands without bound.
    """
    try:
        with source.path.open("rb") as file:
            yield from _blocks(_chunks(file, source))
    except (OSError, EOFError, zlib.error) as error:
        raise SourceUnreadable(file=source.name, problem=str(error)) from None


def _chunks(file: BinaryIO, source: SourceFile) -> Iterator[bytes]:
    compressed = source.name.endswith(".gz")
    stream = gzip.GzipFile(fileobj=file) if compressed else file
    limit = max(EXPANSION_FLOOR, MAX_EXPANSION * source.path.stat().st_size)
    total = 0
    while chunk := stream.read(BLOCK):
        if total == 0:
            chunk = chunk.removeprefix(_BOM)
        total += len(chunk)
        if compressed and total > limit:
            problem = f"it expands to more than {MAX_EXPANSION} times its size"
            raise SourceUnreadable(file=source.name, problem=problem)
        yield chunk


def _blocks(chunks: Iterator[bytes]) -> Iterator[Block]:
    """Cuts after the last newline of each chunk; the rest waits for the next one."""
    waiting, line = b"", 1
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            waiting += chunk[: max(0, MAX_LINE + 1 - len(waiting))]
            continue
        data = waiting + chunk[:cut]
        waiting = chunk[cut:]
        yield Block(data, line, last=False)
        line += data.count(b"\n")
    yield Block(waiting + b"\n" if waiting else b"", line, last=True)
