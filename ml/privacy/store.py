"""Erasure in PostgreSQL: who was erased, a user's traces in every table, and the record of what was done."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ml.postgres import transaction
from ml.privacy.files import Touched
from ml.privacy.one_file import TraceLeft
from ml.privacy.traces import Traces


@dataclass(frozen=True)
class Request:
    """digest: see digest_of. reason: in words that do not name the user. dag_run_id: None when erased by hand."""

    digest: str
    reason: str
    requested_by: str
    dag_run_id: str | None


class ErasureStore:
    """Meets the functions of migration 0016 as trailguard_eraser; the list of the erased also as trailguard_writer.

    url: address of the trailguard database, libpq's or SQLAlchemy's.
    """

    def __init__(self, url: str):
        self.url = url

    def erased(self) -> frozenset[str]:
        """The digests of all who were erased, or are about to be."""
        with transaction(self.url) as rows:
            rows.execute("SELECT user_digest FROM erased_user")
            return frozenset(digest for (digest,) in rows.fetchall())

    def find(self, digest: str) -> str | None:
        """The user whose digest that is, as far as any table names them."""
        with transaction(self.url) as rows:
            rows.execute("SELECT find_user(%s) LIMIT 1", [digest])
            found = rows.fetchone()
        return found and found[0]

    def ask(self, digest: str) -> None:
        """From now on ingestion keeps nothing of the user."""
        with transaction(self.url) as rows:
            rows.execute("SELECT ask_erasure(%s)", [digest])

    def erase(self, request: Request, traces: Traces | None, files: Mapping[str, Touched]) -> dict[str, int]:
        """Table -> rows deleted or blanked; recorded with what was done to files. traces: None where there are none."""
        user, pattern = (traces.user_id, traces.pattern) if traces else (None, None)
        done = json.dumps({place: asdict(touched) for place, touched in files.items()})
        asked = [user, pattern, request.digest, request.reason, request.requested_by, request.dag_run_id, done]
        with transaction(self.url) as rows:
            rows.execute("SELECT erase_user(%s, %s, %s, %s, %s, %s, %s)", asked)
            return rows.fetchone()[0]

    def search(self, traces: Traces) -> int:
        """How many columns were looked at, those of all tables that can hold a name. Raises TraceLeft."""
        with transaction(self.url) as rows:
            rows.execute("SELECT place, traces FROM find_traces(%s, %s)", [traces.user_id, traces.pattern])
            places = rows.fetchall()
        for place, found in places:
            if found:
                raise TraceLeft(column=place, rows=found)
        return len(places)
