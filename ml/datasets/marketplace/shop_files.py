"""The files that the shop keeps: a day's events in the order they came in, a day's verdicts, as gzipped CSV.

Chunks of shoppers come one at a time and hold all their days; a file holds one day of all shoppers. So each chunk
leaves its days in a spill folder, and each day is then gathered, sorted and written: memory holds a chunk or a day.
"""

import gzip
from datetime import date
from pathlib import Path

import polars as pl

from ml.datasets.marketplace.dirt import soil
from ml.datasets.marketplace.draws import Stream, stream
from ml.datasets.marketplace.world import World
from ml.files import new_file

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.3fZ"
_LEVEL = 2  # of gzip: twice as fast as the default, files a seventh larger


class Spill:
    """Rows of many days, kept by day until the day is written."""

    def __init__(self, folder: Path, time: str):
        self.folder, self.time, self.nothing = folder, time, pl.DataFrame()
        folder.mkdir(parents=True)

    def add(self, part: int, rows: pl.DataFrame) -> None:
        """rows: in the order of time."""
        self.nothing = rows.clear()
        runs = rows[self.time].dt.date().rle().struct.unnest()
        begin = runs["len"].cum_sum() - runs["len"]
        for day, first, count in zip(runs["value"], begin, runs["len"], strict=True):
            path = self.folder / f"{day.isoformat()}.{part:06d}.arrow"
            rows.slice(first, count).write_ipc(path, compression="uncompressed")

    def day(self, day: date) -> pl.DataFrame:
        """The day's rows in the order of time."""
        parts = [pl.read_ipc(path) for path in sorted(self.folder.glob(f"{day.isoformat()}.*.arrow"))]
        return pl.concat(parts).sort(self.time, maintain_order=True) if len(parts) > 1 else (parts or [self.nothing])[0]


def write_days(world: World, spill: Spill, folder: Path, days: int, *, dirt: float = 0.0) -> int:
    """Writes the files of so many days from the world's first and returns the number of lines, headers not counted.

    dirt: share of the rows that is written again, whole or spoilt.
    """
    folder.mkdir(parents=True)
    lines = 0
    for day in map(world.day, range(days)):
        text = spill.day(day).write_csv(datetime_format=_TIME_FORMAT, float_precision=2).encode()
        text = soil(text, dirt, stream(world.seed, Stream.DIRT, day.toordinal()))
        lines += text.count(b"\n") - 1
        _write(folder / f"{day.isoformat()}.csv.gz", text)
    return lines


def _write(path: Path, text: bytes) -> None:
    """Without a time stamp in the gzip header, so that the same text is the same file."""
    with new_file(path) as unfinished:
        unfinished.write_bytes(gzip.compress(text, _LEVEL, mtime=0))
