"""Users whom a training has not learned from and whose labels have matured since."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.events import TIME
from ml.sequences.sequences import Sequences
from ml.training.slices import deal_slices
from ml.training.snapshot import Snapshot
from ml.training.verdicts import know_users

SEEN = pa.array(["train", "validation", "test"])  # learned from, or kept for the gate


def know_later_users(snapshot: Snapshot, events: Path, labels: pa.Table, *, as_of: datetime) -> Sequences:
    """Both ends of their trails with `target`, as they are known at as_of.

    snapshot: of the training. They are its slices `calibration` and `threshold`, and those who matured after it.
    """
    _, sequences = know_users(events, labels, as_of=as_of, label_delay=snapshot.label_delay, window=snapshot.window)
    seen = snapshot.users.filter(pc.is_in(snapshot.users["slice"], value_set=SEEN))["user_id"].combine_chunks()
    known = pc.is_in(sequences.events["user_id"], value_set=seen)
    later = sequences.keep(pc.invert(known).to_numpy())
    return later.keep(~_dealt_away(snapshot, later)) if snapshot.predecessor else later


def _dealt_away(snapshot: Snapshot, sequences: Sequences) -> np.ndarray:
    """bool (events,): of users whom an update would have learned from, had a label called them anomalous in time.

    Anomalous ones were learned from before they matured, so good ones of the same hand would be left alone.
    """
    dealt = np.isin(deal_slices(sequences.user_ids.to_pylist(), snapshot.shares), SEEN.to_pylist())
    begun = pc.less(sequences.events["first_event_time"], pa.scalar(snapshot.as_of, TIME)).to_numpy()
    known = pc.is_in(sequences.events["user_id"], value_set=snapshot.users["user_id"].combine_chunks()).to_numpy()
    return dealt[sequences.row_users] & ~known & begun
