"""What a threshold promised, beside what became of those it flagged."""

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.flags import Threshold
from ml.monitoring.alert import Alert, AlertKind
from ml.monitoring.precision import Watched, watch


def watch_precision(
    flagged: pa.Table, anomalous: pa.Array, threshold: Threshold
) -> tuple[dict[str, Watched], list[Alert]]:
    """Precision of all whom the threshold flagged, and of those held out, whom nobody treated otherwise for it.

    flagged: user_id, held_out, in the order in which they were, their labels matured. anomalous: ids of users.
    """
    floor = threshold.calibration_data["policy"]["precision_floor"]
    hits = pc.is_in(flagged["user_id"], value_set=anomalous).to_numpy().astype(bool)
    held_out = flagged["held_out"].to_numpy()
    watched = {
        name: watch(found, floor=floor, confidence=threshold.confidence)
        for name, found in {"all": hits, "held_out": hits[held_out]}.items()
    }
    seen = watched["all"]
    if not seen.broken:
        return watched, []
    told = (
        f"{seen.anomalous} of {seen.flagged} flagged users whose label has matured are anomalous, precision "
        f"{seen.low:.2f} to {seen.high:.2f}, where {floor:g} was promised"
    )
    return watched, [Alert(AlertKind.PROMISE_BROKEN, threshold.threshold_id, told)]


def watch_budget(scores: pa.Table, threshold: Threshold, alert_budget: float) -> list[Alert]:
    """scores: the interval's, SCORE_SCHEMA."""
    given = scores["score"].drop_null()
    reached = pc.sum(pc.greater_equal(given, threshold.value)).as_py() or 0
    if reached <= alert_budget * len(given):
        return []
    told = (
        f"{reached} of {len(given)} scored users reach the threshold, where at most {alert_budget:.0%} may be flagged"
    )
    return [Alert(AlertKind.OVER_BUDGET, threshold.threshold_id, told)]
