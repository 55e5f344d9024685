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
MOST_LINES = 2**18  # of a block; the lines of a table are longer than 32 bytes
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
            for block in _blocks(_chunks(file, source)):
                yield from _cut(block)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceUnreadable(file=source.name, problem=str(error)) from None


class Allowance:
    """How many bytes a compressed file may still expand to."""

    def __init__(self, source: SourceFile):
        self._file = source.name
        self._left = max(EXPANSION_FLOOR, MAX_EXPANSION * source.path.stat().st_size)

    def spend(self, size: int) -> None:
        """Raises SourceUnreadable once more was spent than there was."""
        self._left -= size
        if self._left < 0:
            raise SourceUnreadable(file=self._file, problem=f"it expands to more than {MAX_EXPANSION} times its size")


def _chunks(file: BinaryIO, source: SourceFile) -> Iterator[bytes]:
    compressed = source.name.endswith(".gz")
    stream = gzip.GzipFile(fileobj=file) if compressed else file
    allowance = Allowance(source)
    first = True
    while chunk := stream.read(BLOCK):
        if compressed:
            allowance.spend(len(chunk))
        yield chunk.removeprefix(_BOM) if first else chunk
        first = False


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


def _cut(block: Block) -> Iterator[Block]:
    """Halves, as long as a block has so many lines that what is to be said of each would take too much memory."""
    count = block.data.count(b"\n")
    if count <= MOST_LINES:
        yield block
        return
    middle = block.data.rfind(b"\n", 0, len(block.data) // 2) + 1 or block.data.find(b"\n") + 1
    first = Block(block.data[:middle], block.line, last=False)
    yield from _cut(first)
    yield from _cut(Block(block.data[middle:], block.line + first.data.count(b"\n"), block.last))
