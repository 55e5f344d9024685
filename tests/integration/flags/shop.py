"""A flag store and its lake in a few lines."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import psycopg2

from ml.flags.read import current_flags, table_digest
from ml.flags.store import FlagStore, Publication
from ml.flags.thresholds import ThresholdStore
from tests.flag_rows import THRESHOLD, Lake, day, flags_of, run_of

EXPIRY = timedelta(days=2)
FLAGGED, OVER_BUDGET, BELOW = 0.9, 0.6, 0.1
RoleUrl = Callable[[str], str]
EMPTY = """
    DO $$ DECLARE partition regclass; BEGIN
        FOR partition IN SELECT inhrelid FROM pg_inherits
                         WHERE inhparent IN ('trailguard.user_flag'::regclass, 'trailguard.event_flag'::regclass) LOOP
            EXECUTE format('DROP TABLE %s', partition);
        END LOOP;
    END $$;
    ALTER TABLE trailguard.review DISABLE TRIGGER append_only;
    ALTER TABLE trailguard.label DISABLE TRIGGER append_only;
    DELETE FROM trailguard.review; DELETE FROM trailguard.label; DELETE FROM trailguard.scoring_run;
    DELETE FROM trailguard.review_suggestion;
    ALTER TABLE trailguard.review ENABLE TRIGGER append_only;
    ALTER TABLE trailguard.label ENABLE TRIGGER append_only;
"""


class Shop:
    """A flag store and its lake; `publish` scores a day with a version and publishes what that flags."""

    def __init__(self, url_of: RoleUrl):
        self.url_of = url_of
        self.writer = url_of("trailguard_writer")
        self.recommender = url_of("trailguard_recommender")
        self.lake = Lake()
        self.empty()

    def empty(self) -> None:
        self.store = FlagStore(self.writer, expiry=EXPIRY)
        with closing(psycopg2.connect(self.url_of("trailguard_owner"))) as session, session, session.cursor() as rows:
            rows.execute(EMPTY)
        ThresholdStore(self.writer).record(THRESHOLD)

    def publish(self, number: int, scores: dict[str, float], version: str = "1", **more: object) -> Publication:
        interval = day(number)
        self.lake.scores[interval, version] = scores
        run = run_of(interval, len(scores), version)
        flagged = {user: score for user, score in scores.items() if score >= FLAGGED}
        return self.store.publish(run, flags_of(run, flagged), self.lake.scored_below, **more)

    def rows(self) -> set[tuple[str, int, str, float]]:
        """(user, day, state, score) of every row of user_flag."""
        found = self.read("SELECT user_id, interval_start, state, score FROM user_flag")
        return {(user, (start - day(0).start).days, state, score) for user, start, state, score in found}

    def flagged(self) -> set[str]:
        """Users whom the recommender sees."""
        return set(current_flags(self.recommender, limit=1000)["user_id"].to_pylist())

    def read(self, query: str, role: str = "trailguard_writer") -> list[tuple]:
        with closing(psycopg2.connect(self.url_of(role))) as session, session.cursor() as rows:
            rows.execute(query)
            return rows.fetchall()

    def digest(self) -> str:
        return table_digest(self.writer)
