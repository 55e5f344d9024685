"""What a batch of events must look like before it becomes visible."""

import great_expectations as gx
import great_expectations.expectations as gxe

from ml.contracts.events import REQUIRED_EVENT_COLUMNS
from ml.contracts.intervals import Interval

MOST_EVENT_TYPES = 500  # more is a column of ids mapped by mistake
LONGEST_ID = 256


def events_suite(columns: list[str], interval: Interval) -> gx.ExpectationSuite:
    """Rows of the event contract, with their partition's date `ds` behind the contract's columns."""
    return gx.ExpectationSuite(
        name="events",
        expectations=[
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=[*columns, "ds"]),
            gxe.ExpectTableRowCountToBeBetween(min_value=1),
            *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in ("event_id", *REQUIRED_EVENT_COLUMNS)),
            *(
                gxe.ExpectColumnValueLengthsToBeBetween(column=name, min_value=1, max_value=LONGEST_ID)
                for name in ("event_id", "user_id", "event_type")
            ),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["event_id", "ds"]),
            gxe.ExpectColumnValuesToBeBetween(
                column="event_time",
                min_value=interval.start.isoformat(),
                max_value=interval.end.isoformat(),
                strict_max=True,
            ),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="event_type", min_value=1, max_value=MOST_EVENT_TYPES),
        ],
    )
