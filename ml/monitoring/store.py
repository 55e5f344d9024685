"""Alerts and decisions in PostgreSQL."""

from collections.abc import Sequence

from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
from ml.monitoring.alert import Alert, AlertKind
from ml.monitoring.ladder import Action, Decision
from ml.postgres import insert_row, transaction

_DECISIONS = """
    SELECT interval_end, action, reason,
           ARRAY(SELECT subject FROM alert WHERE alert.interval_start = decision.interval_start AND kind = %s)
    FROM monitor_decision AS decision WHERE (model_name, model_version) = (%s, %s) ORDER BY interval_end
"""


class MonitorStore:
    """Meets the tables alert and monitor_decision as trailguard_writer.

    url: address of the trailguard database, libpq's or SQLAlchemy's.
    """

    def __init__(self, url: str):
        self.url = url

    def replace_alerts(self, interval: Interval, model: ModelVersion, alerts: Sequence[Alert]) -> None:
        """Makes these the interval's alerts."""
        with transaction(self.url) as rows:
            rows.execute("DELETE FROM alert WHERE interval_start = %s", [interval.start])
            for alert in alerts:
                insert_row(rows, "alert", _common(interval, model) | vars(alert))

    def decisions(self, model: ModelVersion) -> list[Decision]:
        """Those about the version, oldest first."""
        with transaction(self.url) as rows:
            rows.execute(_DECISIONS, [AlertKind.NEW_KIND, *model])
            return [Decision(at, Action(action), reason, frozenset(kinds)) for at, action, reason, kinds in rows]

    def settle(
        self, interval: Interval, model: ModelVersion, decision: Decision, *, dag_run_id: str | None
    ) -> Decision:
        """Records the decision, unless one was made about the interval before; returns the one that stands."""
        facts = _common(interval, model) | {"action": decision.action, "reason": decision.reason}
        with transaction(self.url) as rows:
            insert_row(rows, "monitor_decision", facts | {"dag_run_id": dag_run_id}, "ON CONFLICT DO NOTHING")
            rows.execute("SELECT action, reason FROM monitor_decision WHERE interval_start = %s", [interval.start])
            action, reason = rows.fetchone()
        return Decision(interval.end, Action(action), reason)


def _common(interval: Interval, model: ModelVersion) -> dict[str, object]:
    return {
        "interval_start": interval.start,
        "interval_end": interval.end,
        "model_name": model.name,
        "model_version": model.version,
    }
