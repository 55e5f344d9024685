"""Names for shoppers, items, sessions and events that tell nothing about how they came to be."""

import numpy as np
import pyarrow as pa

# Multiplying by a number below a prime is a permutation of what lies below it.
_CUSTOMERS, _PRODUCTS = 99_999_989, 9_999_991
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def customers(seed: int, number: np.ndarray) -> pa.Array:
    return _numbered("C", 8, (number + 1) * (48_271_019 + 2 * seed) % _CUSTOMERS)


def products(seed: int, item: np.ndarray) -> pa.Array:
    return _numbered("P", 7, (item + 1) * (3_141_593 + 2 * seed) % _PRODUCTS)


def hashed(seed: int, chunk: int, number: np.ndarray) -> pa.Array:
    """16 hex digits, unique for each pair of chunk and number (below 2**40): splitmix64's finalizer, a bijection."""
    with np.errstate(over="ignore"):
        z = (
            number.astype(np.uint64)
            + (np.uint64(chunk) << np.uint64(40))
            + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    octets = z.astype(">u8").view(np.uint8).reshape(-1, 8)
    digits = np.stack([_HEX[octets >> 4], _HEX[octets & 15]], axis=2).reshape(-1, 16)
    return _text(digits)


def _numbered(letter: str, width: int, number: np.ndarray) -> pa.Array:
    digits = number[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")
    return _text(np.column_stack([np.full(len(number), ord(letter)), digits]).astype(np.uint8))


def _text(characters: np.ndarray) -> pa.Array:
    """uint8 (rows, width) -> one string for each row."""
    rows, width = characters.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    return pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters)))
