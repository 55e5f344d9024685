"""What a batch's counts must look like: nothing lost, little refused."""

import great_expectations as gx
import great_expectations.expectations as gxe


def accounting_suite(quarantine_limit: float) -> gx.ExpectationSuite:
    """One row for the batch: rows_in, accepted, duplicate, quarantined, unaccounted, quarantined_share.

    Args:
        quarantine_limit: largest share of the batch's rows that may be quarantined.
    """
    return gx.ExpectationSuite(
        name="accounting",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(column="unaccounted", value_set=[0]),
            gxe.ExpectColumnValuesToBeBetween(column="quarantined_share", min_value=0, max_value=quarantine_limit),
        ],
    )
