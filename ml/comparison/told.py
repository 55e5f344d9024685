"""What training is told of the labels where a protocol makes them few or wrong; the judged users' stay as they are."""

from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.history import History
from ml.comparison.protocol import Protocol
from ml.contracts.labels import NO_KIND

FLIPPED = "flipped"  # the kind of a label that was made bad


def tell(history: History, protocol: Protocol, seed: int) -> History:
    """The history with the labels that the protocol leaves, drawn by user: another seed draws other users."""
    if not protocol.spoils_labels:
        return history
    seen = (
        pl.scan_parquet(sorted(history.events.glob("ds=*/*.parquet")), glob=False).select("user_id").unique().collect()
    )
    users = seen["user_id"].sort().to_arrow().cast(pa.string())
    rng = np.random.default_rng(seed)
    told = users.filter(pa.array(rng.random(len(users)) < protocol.label_share))
    flipped = users.filter(pa.array(rng.random(len(users)) < protocol.flipped_labels))
    labels = history.labels.filter(pc.is_in(history.labels["user_id"], value_set=told))
    turned = pc.is_in(labels["user_id"], value_set=flipped).to_numpy()
    return replace(history, labels=_flip(labels, turned), told=told)


def _flip(labels: pa.Table, rows: np.ndarray) -> pa.Table:
    """rows: bool (labels,)."""
    chosen, label = pa.array(rows), labels["label"]
    value = pc.if_else(chosen, pc.subtract(pa.scalar(1, pa.int8()), label), label)
    kind = pc.if_else(chosen, pc.if_else(pc.equal(value, 1), FLIPPED, NO_KIND), labels["kind"])
    for name, values in (("label", value), ("kind", kind)):
        index = labels.column_names.index(name)
        labels = labels.set_column(index, labels.schema.field(name), values.cast(labels.schema.field(name).type))
    return labels
