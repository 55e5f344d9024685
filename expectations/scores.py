"""What an interval's scores must look like before flags are drawn from them."""

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from ml.contracts.intervals import Interval
from ml.contracts.scores import SCORE_SCHEMA, Evidence

ENOUGH = 30  # with fewer users, equal scores or many unlike trails are no sign of a broken model or broken events
LIKE = 0.9  # least share of users whose trails are like those of training; else the events have changed, not the users


def scores_suite(interval: Interval, *, users: int, scored: int, window: int) -> gx.ExpectationSuite:
    """Rows of the score contract, every planned user once, with a score exactly where there is evidence for one.

    Args:
        users: how many users the interval's plan holds.
        scored: how many rows say that there was evidence enough.
        window: largest number of events that the model sees of one user.
    """
    required = [field.name for field in SCORE_SCHEMA if not field.nullable]
    evidence, judged = Column("evidence"), ("logit", "score")
    varied = [gxe.ExpectColumnUniqueValueCountToBeBetween(column="logit", min_value=2)]
    familiar = [gxe.ExpectColumnValuesToNotBeInSet(column="evidence", value_set=[Evidence.TOO_UNLIKE], mostly=LIKE)]
    return gx.ExpectationSuite(
        name="scores",
        expectations=[
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=SCORE_SCHEMA.names),
            gxe.ExpectTableRowCountToEqual(value=users),
            *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in required),
            gxe.ExpectColumnValuesToBeUnique(column="user_id"),
            gxe.ExpectColumnValuesToBeInSet(column="evidence", value_set=[*Evidence]),
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=name, row_condition=evidence == Evidence.SUFFICIENT.value)
                for name in judged
            ),
            *(
                gxe.ExpectColumnValuesToBeNull(column=name, row_condition=evidence != Evidence.SUFFICIENT.value)
                for name in judged
            ),
            gxe.ExpectColumnValuesToBeBetween(column="score", min_value=0, max_value=1),
            gxe.ExpectColumnValuesToBeBetween(column="events", min_value=1, max_value=window),
            gxe.ExpectColumnValuesToBeBetween(
                column="last_event_time",
                min_value=interval.start.isoformat(),
                max_value=interval.end.isoformat(),
                strict_max=True,
            ),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="model_version", min_value=1, max_value=1),
            *(varied if scored >= ENOUGH else []),
            *(familiar if users >= ENOUGH else []),
        ],
    )
