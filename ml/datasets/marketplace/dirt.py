"""The dirt of real files: rows delivered twice, and spoilt copies of rows. The true rows stay as they are."""

import numpy as np


def soil(text: bytes, share: float, rng: np.random.Generator) -> bytes:
    """Slips repeated and malformed lines, about `share` of the rows, into a CSV file's text at random places."""
    header, *lines = text.splitlines(keepends=True)
    count = rng.binomial(len(lines), share)
    if count == 0:
        return text
    ways = list(_WAYS)
    spoilt = [
        ways[way](lines[line])
        for way, line in zip(rng.choice(len(ways), count, p=_SHARES), rng.integers(0, len(lines), count), strict=True)
    ]
    for place, line in zip(rng.integers(0, len(lines), count).tolist(), spoilt, strict=True):
        lines.insert(place, line)
    return b"".join([header, *lines])


def _again(line: bytes) -> bytes:
    return line


def _nobody(line: bytes) -> bytes:
    key, _, *rest = line.split(b",")
    return b",".join([_other(key), b"", *rest])


def _sometime(line: bytes) -> bytes:
    key, customer, _, *rest = line.split(b",")
    return b",".join([_other(key), customer, b"0000-00-00 00:00", *rest])


def _no_number(line: bytes) -> bytes:
    key, *middle = line.split(b",")
    middle[5] = b"n/a"
    return b",".join([_other(key), *middle])


def _cut_short(line: bytes) -> bytes:
    return line[: len(line) // 4] + b"\n"


def _other(key: bytes) -> bytes:
    """The key of an event that never was."""
    return key[::-1]


_WAYS = (_again, _nobody, _sometime, _no_number, _cut_short)
_SHARES = (0.5, 0.15, 0.15, 0.1, 0.1)
