"""What a training snapshot must look like before a model learns from it; most of it guards against leaks."""

from datetime import datetime, timedelta

import great_expectations as gx
import great_expectations.expectations as gxe

from ml.training.slices import SLICES

FEWEST_IN_SLICE = 20  # users; below it a slice says nothing


def sequences_suite(as_of: datetime, label_delay: timedelta, window: int) -> gx.ExpectationSuite:
    """One row for each user: user_id, slice, label, first_event_time, last_event_time, observed_at, events."""
    matured_before = (as_of - label_delay).isoformat()
    return gx.ExpectationSuite(
        name="sequences",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=FEWEST_IN_SLICE * len(SLICES)),
            gxe.ExpectColumnValuesToBeUnique(column="user_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="slice"),
            gxe.ExpectColumnDistinctValuesToEqualSet(column="slice", value_set=list(SLICES)),
            gxe.ExpectColumnDistinctValuesToEqualSet(column="label", value_set=[0, 1]),
            gxe.ExpectColumnValuesToBeBetween(column="first_event_time", max_value=matured_before, strict_max=True),
            gxe.ExpectColumnValuesToBeBetween(column="last_event_time", max_value=as_of.isoformat(), strict_max=True),
            gxe.ExpectColumnValuesToBeBetween(column="observed_at", max_value=as_of.isoformat(), strict_max=True),
            gxe.ExpectColumnValuesToBeBetween(column="events", min_value=1, max_value=2 * window),
        ],
    )
