"""What a batch of labels must look like before it enters the label table."""

import great_expectations as gx
import great_expectations.expectations as gxe

from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA


def labels_suite(interval: Interval) -> gx.ExpectationSuite:
    """Rows of the label contract. A batch may be empty: a day on which nothing was learned."""
    required = [field.name for field in LABEL_SCHEMA if not field.nullable]
    return gx.ExpectationSuite(
        name="labels",
        expectations=[
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=LABEL_SCHEMA.names),
            *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in required),
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=[0, 1]),
            gxe.ExpectColumnValuesToBeBetween(column="confidence", min_value=0, max_value=1, strict_min=True),
            gxe.ExpectColumnValuesToBeBetween(
                column="observed_at",
                min_value=interval.start.isoformat(),
                max_value=interval.end.isoformat(),
                strict_max=True,
            ),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=LABEL_SCHEMA.names),
        ],
    )
