"""The suggestions in PostgreSQL, where an analyst finds them and answers with a review."""

import pyarrow as pa

from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
from ml.postgres import fetch_strings, replace_row, transaction


class SuggestionStore:
    """Meets the table review_suggestion as trailguard_writer.

    url: address of the trailguard database, libpq's or SQLAlchemy's.
    """

    def __init__(self, url: str):
        self.url = url

    def labelled_users(self) -> pa.Array:
        """Everybody of whom, or of one of whose events, somebody has said anything by now."""
        with transaction(self.url) as rows:
            return fetch_strings(rows, "SELECT DISTINCT user_id FROM label", {}).combine_chunks()

    def record(self, suggestions: pa.Table, interval: Interval, *, model: ModelVersion) -> None:
        """Adds the suggestions, or replaces those of the same users and interval; earlier ones of others stay, so that
        whoever works on an older list can still answer.

        suggestions: SUGGESTIONS.
        """
        facts = {"model_name": model.name, "model_version": model.version}
        facts |= {"interval_start": interval.start, "interval_end": interval.end}
        with transaction(self.url) as rows:
            for suggestion in suggestions.to_pylist():
                key = ("user_id", "interval_start")
                replace_row(rows, "review_suggestion", facts | suggestion, key, clock="suggested_at")
