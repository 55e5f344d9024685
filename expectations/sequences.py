"""What a training snapshot must look like before a model learns from it; most of it guards against leaks."""

from datetime import datetime, timedelta

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.training.slices import LEARNED, SLICES
from ml.training.snapshot import Snapshot

FEWEST_IN_SLICE = 20  # users; below it a slice says nothing


def sequences_suite(as_of: datetime, label_delay: timedelta, window: int) -> gx.ExpectationSuite:
    """Of what `describe_users` gives."""
    matured_before = (as_of - label_delay).isoformat()
    return gx.ExpectationSuite(
        name="sequences",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=FEWEST_IN_SLICE * len(SLICES)),
            gxe.ExpectColumnValuesToBeUnique(column="user_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="slice"),
            gxe.ExpectColumnDistinctValuesToEqualSet(column="slice", value_set=list(SLICES)),
            gxe.ExpectColumnDistinctValuesToEqualSet(column="label", value_set=[0, 1]),
            gxe.ExpectColumnValuesToBeBetween(column="matured_since", max_value=matured_before, strict_max=True),
            gxe.ExpectColumnValuesToBeBetween(column="last_event_time", max_value=as_of.isoformat(), strict_max=True),
            gxe.ExpectColumnValuesToBeBetween(column="observed_at", max_value=as_of.isoformat(), strict_max=True),
            gxe.ExpectColumnValuesToBeBetween(column="events", min_value=1, max_value=2 * window),
        ],
    )


def describe_users(snapshot: Snapshot) -> pd.DataFrame:
    """One row for each user: what the snapshot has of them, events, last_event_time, and matured_since: their first
    event's time, but of those whom an update knew before they had matured."""
    trails, users = snapshot.sequences, snapshot.users
    early = pc.and_(pc.equal(users["label"], 1), pc.is_in(users["slice"], value_set=pa.array(LEARNED)))
    matured = pc.if_else(pc.and_(early, bool(snapshot.predecessor)), None, users["first_event_time"])
    last = trails.events["event_time"].take(pa.array(trails.last_rows))
    return users.to_pandas().assign(
        events=trails.lengths, last_event_time=last.to_pandas(), matured_since=matured.to_pandas()
    )
