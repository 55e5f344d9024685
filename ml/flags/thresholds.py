"""The thresholds on record: which one acts, and what the newest answer was."""

import json
from dataclasses import asdict, fields
from datetime import datetime

from ml.contracts.flags import Threshold
from ml.errors import ExitCode, TrailguardError
from ml.flags.refused import refusals
from ml.postgres import insert_row, transaction

_FIND = "SELECT * FROM threshold WHERE threshold_id = %(threshold_id)s"
_ACTING = """
    SELECT * FROM threshold WHERE model_name = %(model)s AND model_version = %(version)s AND value IS NOT NULL
    ORDER BY valid_from <= %(at)s DESC, CASE WHEN valid_from <= %(at)s THEN valid_from END DESC, valid_from,
             recorded_at DESC
    LIMIT 1
"""
_NEWEST = """
    SELECT * FROM threshold WHERE model_name = %(model)s AND model_version = %(version)s
    ORDER BY valid_from DESC, recorded_at DESC
    LIMIT 1
"""


class ThresholdChanged(TrailguardError):
    """A threshold is on record already, with other facts.

    Thresholds never change: give the new one an id of its own.
    """


class ThresholdAbsent(TrailguardError):
    """No threshold is on record for the model version, so nobody can be flagged by it.

    Run choose_threshold for the version; flags that are already published stand.
    """

    exit_code = ExitCode.ABSENT


class ThresholdStore:
    """Meets the insert-only table `threshold` as trailguard_writer.

    Args:
        url: address of the trailguard database, libpq's or SQLAlchemy's.
    """

    def __init__(self, url: str):
        self.url = url

    def record(self, threshold: Threshold) -> None:
        """Again is harmless. Raises ThresholdChanged, FlagsRefused."""
        facts = asdict(threshold) | {"calibration_data": json.dumps(threshold.calibration_data)}
        same = " AND ".join(f"{name} IS NOT DISTINCT FROM %({name})s" for name in facts)
        with refusals(), transaction(self.url) as rows:
            insert_row(rows, "threshold", facts, "ON CONFLICT DO NOTHING")
            rows.execute(f"SELECT FROM threshold WHERE {same}", facts)
            if not rows.rowcount:
                raise ThresholdChanged(threshold_id=threshold.threshold_id)

    def find(self, threshold_id: str) -> Threshold:
        """Raises ThresholdAbsent."""
        return self._one(_FIND, threshold_id=threshold_id)

    def acting(self, model_name: str, model_version: str, at: datetime) -> Threshold:
        """The newest that is valid at that moment, or the first where none is yet; of two as new, the one recorded
        last. An answer that there is none leaves the one before it in force.

        Raises ThresholdAbsent.
        """
        return self._one(_ACTING, model=model_name, version=model_version, at=at)

    def newest(self, model_name: str, model_version: str) -> Threshold:
        """The newest answer, be it that there is none. Raises ThresholdAbsent."""
        return self._one(_NEWEST, model=model_name, version=model_version)

    def _one(self, query: str, **asked: object) -> Threshold:
        with transaction(self.url) as rows:
            rows.execute(query, asked)
            found = rows.fetchone()
            names = [column.name for column in rows.description]
        if found is None:
            raise ThresholdAbsent(**asked)
        facts = dict(zip(names, found, strict=True))
        return Threshold(**{field.name: facts[field.name] for field in fields(Threshold)})
