"""What an interval's scores must look like before flags are drawn from them."""

import great_expectations as gx
import great_expectations.expectations as gxe

from ml.contracts.intervals import Interval
from ml.contracts.scores import SCORE_SCHEMA

ENOUGH_TO_VARY = 30  # below this many users equal scores are no sign of a broken model


def scores_suite(interval: Interval, *, users: int, window: int) -> gx.ExpectationSuite:
    """Rows of the score contract, every planned user once.

    Args:
        users: how many users the interval's plan holds.
        window: largest number of events that the model sees of one user.
    """
    required = [field.name for field in SCORE_SCHEMA if not field.nullable]
    varied = (
        [gxe.ExpectColumnUniqueValueCountToBeBetween(column="logit", min_value=2)] if users >= ENOUGH_TO_VARY else []
    )
    return gx.ExpectationSuite(
        name="scores",
        expectations=[
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=SCORE_SCHEMA.names),
            gxe.ExpectTableRowCountToEqual(value=users),
            *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in required),
            gxe.ExpectColumnValuesToBeUnique(column="user_id"),
            gxe.ExpectColumnValuesToBeBetween(column="score", min_value=0, max_value=1),
            gxe.ExpectColumnValuesToBeBetween(column="events", min_value=1, max_value=window),
            gxe.ExpectColumnValuesToBeBetween(
                column="last_event_time",
                min_value=interval.start.isoformat(),
                max_value=interval.end.isoformat(),
                strict_max=True,
            ),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="model_version", min_value=1, max_value=1),
            *varied,
        ],
    )
