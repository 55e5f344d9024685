"""A sorted stream of rows in chunks that hold whole users."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa


def whole_buckets(batches: Iterable[pa.RecordBatch], events: int) -> Iterator[pa.Table]:
    """Tables of whole buckets, at most `events` rows each but one bucket at least: the chunks of `stream_sequences`.

    batches: rows that ascend by user_bucket.
    """
    waiting: list[pa.Table] = []
    for batch in batches:
        waiting.append(pa.Table.from_batches([batch]))
        while sum(rows.num_rows for rows in waiting) > events:
            rows = pa.concat_tables(waiting)
            end = _end_of_chunk(rows["user_bucket"].to_numpy(), events)
            waiting = [rows.slice(end)]
            if end == 0:
                break
            yield rows.slice(0, end)
    if waiting:
        yield pa.concat_tables(waiting)


def _end_of_chunk(buckets: np.ndarray, events: int) -> int:
    """Where the last bucket that still fits ends, else where the first one does; 0 where that is not known yet."""
    ends = np.flatnonzero(np.diff(buckets)) + 1
    fitting = ends[ends <= events]
    return int(fitting[-1] if len(fitting) else ends[0] if len(ends) else 0)
