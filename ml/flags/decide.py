"""Which scored users of an interval are flagged: those that reach the threshold, the highest first, in budget."""

import math

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.flags import FLAG_SCHEMA, Threshold


def decide_flags(scores: pa.Table, *, threshold: float, alert_budget: float) -> pa.Table:
    """The flagged rows of SCORE_SCHEMA with a column `rank`, 1 for the highest score; ties in the order of user_id.

    Args:
        threshold: lowest calibrated score that is flagged.
        alert_budget: largest share of the users with a score that may be flagged. Nobody without one is.
    """
    allowed = math.floor(alert_budget * (scores.num_rows - scores["score"].null_count))
    reached = scores.filter(pc.greater_equal(scores["score"], threshold))
    ranked = reached.sort_by([("score", "descending"), ("user_id", "ascending")]).slice(0, allowed)
    return ranked.append_column("rank", pa.array(range(1, ranked.num_rows + 1), pa.int32()))


def flag_rows(decided: pa.Table, reasons: dict[str, str], threshold: Threshold) -> pa.Table:
    """Rows of FLAG_SCHEMA, not yet signed by a DAG run.

    Args:
        decided: from hold_out.
        reasons: user_id -> JSON list of reasons.
    """
    facts = {
        "threshold": threshold.value,
        "threshold_id": threshold.threshold_id,
        "label_as_of": threshold.label_as_of,
        "dag_run_id": None,
    }
    own = {name: decided[name] for name in FLAG_SCHEMA.names if name in decided.column_names}
    own["reason_codes"] = pa.array([reasons[user] for user in decided["user_id"].to_pylist()], pa.string())
    constant = {
        name: pa.repeat(pa.scalar(v, FLAG_SCHEMA.field(name).type), decided.num_rows) for name, v in facts.items()
    }
    return pa.table({name: (own | constant)[name] for name in FLAG_SCHEMA.names}).cast(FLAG_SCHEMA)


def sign_flags(flags: pa.Table, dag_run_id: str | None) -> pa.Table:
    """The flags with the DAG run that publishes them."""
    column = FLAG_SCHEMA.get_field_index("dag_run_id")
    return flags.set_column(
        column, FLAG_SCHEMA.field(column), pa.repeat(pa.scalar(dag_run_id, pa.string()), len(flags))
    )
