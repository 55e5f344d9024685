"""Reading flags back: one user's, the ranked list, a digest of the table."""

from datetime import datetime

import pyarrow as pa

from ml.contracts.events import TIME
from ml.postgres import fetch_table, transaction

CURRENT_FLAG_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("rank", pa.int32()),
        ("reason_codes", pa.string()),  # JSON
        ("interval_start", TIME),
        ("interval_end", TIME),
        ("model_version", pa.string()),
    ]
)
SUMMARY_SCHEMA = pa.schema(
    [
        ("interval_start", TIME),
        ("model_version", pa.string()),
        ("users_scored", pa.int64()),
        ("users_active", pa.int64()),
        ("users_shadow", pa.int64()),
        ("users_cleared", pa.int64()),
        ("users_too_short", pa.int64()),
        ("users_too_unlike", pa.int64()),
        ("users_holdout", pa.int64()),
    ]
)
_COLUMNS = ", ".join(name if name != "reason_codes" else "reason_codes::text" for name in CURRENT_FLAG_SCHEMA.names)


def current_flag(url: str, user_id: str) -> dict[str, object] | None:
    """The user's flag, as the recommender sees it: CURRENT_FLAG_SCHEMA's columns; None when they have none."""
    with transaction(url) as rows:
        rows.execute(f"SELECT {_COLUMNS} FROM current_flag WHERE user_id = %s", [user_id])  # noqa: S608
        found = fetch_table(rows, CURRENT_FLAG_SCHEMA).to_pylist()
    return found[0] if found else None


def current_flags(url: str, limit: int) -> pa.Table:
    """The users most certainly flagged now, highest score first, in CURRENT_FLAG_SCHEMA."""
    with transaction(url) as rows:
        rows.execute(f"SELECT {_COLUMNS} FROM current_flag ORDER BY score DESC, user_id LIMIT %s", [limit])  # noqa: S608
        return fetch_table(rows, CURRENT_FLAG_SCHEMA)


def flag_summary(url: str) -> pa.Table:
    """Each published interval's counts, oldest first, in SUMMARY_SCHEMA. For the writer and the analyst."""
    names = ", ".join(SUMMARY_SCHEMA.names)
    with transaction(url) as rows:
        rows.execute(f"SELECT {names} FROM flag_counts ORDER BY interval_start")  # noqa: S608
        return fetch_table(rows, SUMMARY_SCHEMA)


def first_flags(url: str, threshold_id: str, until: datetime) -> pa.Table:
    """Users flagged by the threshold in intervals that ended by then, in the order in which they first were:
    user_id, held_out (whether nobody acted on it). For the writer.
    """
    query = """
        SELECT user_id, held_out FROM (
            SELECT DISTINCT ON (user_id) user_id, state = 'holdout' AS held_out, interval_start, rank FROM user_flag
            WHERE state IN ('active', 'holdout') AND threshold_id = %s AND interval_end <= %s
            ORDER BY user_id, interval_start) AS flagged
        ORDER BY interval_start, rank, user_id
    """
    with transaction(url) as rows:
        rows.execute(query, [threshold_id, until])
        return fetch_table(rows, pa.schema([("user_id", pa.string()), ("held_out", pa.bool_())]))


def table_digest(url: str, start: datetime | None = None, end: datetime | None = None) -> str:
    """SHA-256 over all flags of users and events, whatever their order, of the intervals that start in [start, end).

    Every column but published_at and dag_run_id counts: publishing the same again leaves the digest as it was.
    For the writer and the owner.
    """
    query = """
        SELECT encode(sha256(convert_to(string_agg(row, E'\n' ORDER BY row COLLATE "C"), 'UTF8')), 'hex') FROM (
            SELECT (to_jsonb(f) - '{published_at,dag_run_id}'::text[])::text FROM user_flag f WHERE {within}
            UNION ALL
            SELECT (to_jsonb(f) - '{published_at,dag_run_id}'::text[])::text FROM event_flag f WHERE {within}
            UNION ALL SELECT '') AS flags (row)
    """.replace("{within}", "interval_start >= %(start)s AND interval_start < %(end)s")
    with transaction(url) as rows:
        rows.execute(query, {"start": start or "-infinity", "end": end or "infinity"})
        return rows.fetchone()[0]
