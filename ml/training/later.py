"""Users whom a training has not learned from and whose labels have matured since."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.sequences.sequences import Sequences
from ml.training.snapshot import Snapshot
from ml.training.verdicts import know_users

SEEN = ("train", "validation", "test")  # learned from, or kept for the gate


def know_later_users(snapshot: Snapshot, events: Path, labels: pa.Table, *, as_of: datetime) -> Sequences:
    """Both ends of their trails with `target`, as they are known at as_of.

    snapshot: of the training. They are its slices `calibration` and `threshold`, and those who matured after it.
    """
    _, sequences = know_users(events, labels, as_of=as_of, label_delay=snapshot.label_delay, window=snapshot.window)
    seen = snapshot.users.filter(pc.is_in(snapshot.users["slice"], value_set=pa.array(SEEN)))
    known = pc.is_in(sequences.events["user_id"], value_set=seen["user_id"].combine_chunks())
    return sequences.keep(pc.invert(known).to_numpy())
