"""What a challenger would flag beside the champion: rows that nobody acts on."""

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.flags import FLAG_SCHEMA, State


def shadow_rows(challenger: pa.Table, scored_below: pa.Table) -> pa.Table:
    """The challenger's flags of users whom the champion scored below its threshold, as shadow rows of FLAG_SCHEMA.

    Of no others: a user whom the champion could not judge, or flagged beyond its budget, keeps an older flag, which a
    shadow row of a newer interval would hide.

    Args:
        challenger: the challenger's flags, FLAG_SCHEMA.
        scored_below: what the champion said of those users, as ml.flags.clearing.ScoredBelow tells it.
    """
    alone = challenger.filter(pc.is_in(challenger["user_id"], value_set=scored_below["user_id"].combine_chunks()))
    state = FLAG_SCHEMA.get_field_index("state")
    return alone.set_column(state, FLAG_SCHEMA.field(state), pa.repeat(pa.scalar(State.SHADOW.value), len(alone)))
