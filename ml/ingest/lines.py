"""The lines of a block of text, seen through numpy."""

from functools import cached_property

import numpy as np
import pyarrow as pa

from ml.ingest.source import MAX_LINE, Block

_NUL, _NEWLINE, _RETURN, _QUOTE = 0, 10, 13, 34


class Lines:
    """Line i of the block is bytes starts[i] up to ends[i], its newline included."""

    def __init__(self, block: Block):
        self.block = block
        self._data = np.frombuffer(block.data, np.uint8)
        self.ends = np.flatnonzero(self._data == _NEWLINE) + 1
        self.starts = np.concatenate([[0], self.ends[:-1]]).astype(np.int64) if self.ends.size else self.ends
        self.count = len(self.ends)

    def number(self, i: int) -> int:
        """The line's 1-based number in the file."""
        return self.block.line + int(i)

    def bytes(self, i: int) -> bytes:
        return self.block.data[self.starts[i] : self.ends[i]]

    def after(self, i: int) -> "Lines":
        """The lines from the i-th on."""
        return self if i == 0 else Lines(Block(self.tail(i), self.block.line + i, self.block.last))

    def tail(self, i: int) -> bytes:
        return self.block.data[self.starts[i] :] if i < self.count else b""

    @cached_property
    def array(self) -> pa.Array:
        """All lines as binary values, without a copy."""
        offsets = np.concatenate([[0], self.ends]).astype(np.int32)
        return pa.Array.from_buffers(
            pa.binary(), self.count, [None, pa.py_buffer(offsets), pa.py_buffer(self.block.data)]
        )

    def texts(self, chosen: np.ndarray) -> pa.Array:
        """The chosen lines as strings; they must be UTF-8."""
        whole = len(chosen) == self.count
        return (self.array if whole else self.array.take(pa.array(chosen))).cast(pa.string())

    def joined(self, chosen: np.ndarray) -> bytes:
        """The chosen lines' bytes in one piece."""
        if len(chosen) == self.count:
            return self.block.data
        keep = np.zeros(self.count, bool)
        keep[chosen] = True
        return self._data[np.repeat(keep, self.ends - self.starts)].tobytes()

    @property
    def _lengths(self) -> np.ndarray:
        return self.ends - self.starts

    @cached_property
    def blank(self) -> np.ndarray:
        """bool (count,): nothing but a line end."""
        if not self.count:
            return np.zeros(0, bool)
        return (self._lengths == 1) | ((self._lengths == 2) & (self._data[self.starts] == _RETURN))

    @cached_property
    def suspect(self) -> np.ndarray:
        """bool (count,): holds a quote, or a carriage return that does not end the line."""
        odd = self._data == _QUOTE
        returns = np.flatnonzero(self._data == _RETURN)
        odd[returns[self._data[returns + 1] != _NEWLINE]] = True
        return np.logical_or.reduceat(odd, self.starts) if odd.any() else np.zeros(self.count, bool)

    def refused(self) -> dict[int, str]:
        """Line -> reason, for lines that are no text at all."""
        refused = dict.fromkeys(self._not_utf8(), "not_utf8")
        if _NUL in self.block.data:
            holding = np.searchsorted(self.ends, np.flatnonzero(self._data == _NUL), side="right")
            refused |= dict.fromkeys(holding.tolist(), "nul_byte")
        return refused | dict.fromkeys(np.flatnonzero(self._lengths > MAX_LINE + 1).tolist(), "line_too_long")

    def _not_utf8(self) -> list[int]:
        try:
            self.block.data.decode("utf-8")
        except UnicodeDecodeError:
            beyond_ascii = np.unique(np.searchsorted(self.ends, np.flatnonzero(self._data > 127), side="right"))
            return [int(i) for i in beyond_ascii if not _decodes(self.bytes(i))]
        return []


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
