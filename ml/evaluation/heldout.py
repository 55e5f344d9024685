"""What a trained model said of users it never saw: one file that calibration and evidence read, so that
none of them needs the network again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.errors import InputAbsent

HELDOUT_SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("slice", pa.string(), nullable=False),  # validation, calibration, threshold, test
        pa.field("view", pa.string(), nullable=False),  # "3", "5", "10", "all", "day"
        pa.field("events", pa.int64(), nullable=False),  # the user's events by then
        pa.field("target", pa.int8(), nullable=False),  # 1 where the user was anomalous by then
        pa.field("logit", pa.float32(), nullable=False),
        pa.field("baseline", pa.float64()),  # LightGBM's probability; absent in the view "day"
    ]
)
FILE = "heldout.parquet"


@dataclass(frozen=True)
class Judged:
    """Rows of one slice in one view; arrays (rows,): user_ids str, targets int8, logits float32, baseline float64,
    events int64."""

    user_ids: np.ndarray
    targets: np.ndarray
    logits: np.ndarray
    baseline: np.ndarray
    events: np.ndarray


def read_heldout(training: Path) -> pa.Table:
    """HELDOUT_SCHEMA, from a training's folder. Raises InputAbsent."""
    if not (training / FILE).exists():
        raise InputAbsent(training=training, lacks=FILE)
    return pq.read_table(training / FILE)


def judged(heldout: pa.Table, slice_name: str, view: str) -> Judged:
    """One row for each user in the views "3", "5", "10" and "all"; in "day" one for each day's end at which a daily
    run would have scored the user."""
    rows = heldout.filter(pc.and_(pc.equal(heldout["slice"], slice_name), pc.equal(heldout["view"], view)))
    columns = (rows[name].to_numpy() for name in ("user_id", "target", "logit", "baseline", "events"))
    return Judged(*columns)
