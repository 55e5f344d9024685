"""One user is erased from the whole shop by the DAG, after the other tests of the journey have looked at it."""

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import psycopg2
import pyarrow.parquet as pq
import pytest
from psycopg2 import sql

from infra.local.journey import run_stage
from tests.e2e.conftest import Travelled

FLAGGED = """
    SELECT user_id, min(interval_start) FROM user_flag JOIN label USING (user_id)
    WHERE state = 'active' AND user_id = ANY ({trained}) GROUP BY user_id ORDER BY user_id LIMIT 1"""
FLAGGED_EVENT = """
    CREATE TABLE {partition} PARTITION OF event_flag FOR VALUES IN ({start});
    INSERT INTO event_flag
    SELECT 'review-' || user_id, user_id, interval_start, interval_start, interval_end, state, score, threshold, rank,
        reason_codes, model_name, model_version, threshold_id, label_as_of, dag_run_id, expires_at
    FROM user_flag WHERE interval_start = {start}"""
REVIEW = """
    INSERT INTO review (user_id, interval_start, verdict, kind, reviewer, comment)
    VALUES ({user}, {start}, 'anomalous', 'bot', 'dora', {comment})"""
SUGGESTION = """
    INSERT INTO review_suggestion (user_id, interval_start, interval_end, rank, score, why, model_name, model_version)
    VALUES ({user}, {start}, {start} + interval '1 day', 9, 0.5, 'diverse', 'trailguard', '1')"""
TABLES = """
    SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')"""


def ask(travelled: Travelled, role: str, statement: str, **values: sql.Composable | object) -> list[tuple]:
    known = {n: value if isinstance(value, sql.Composable) else sql.Literal(value) for n, value in values.items()}
    address = travelled.stack.postgres.dsn(role, "trailguard")
    with closing(psycopg2.connect(address)) as session, session, session.cursor() as rows:
        rows.execute(sql.SQL(statement).format(**known))
        return rows.fetchall() if rows.description else []


def dump(travelled: Travelled) -> Iterator[tuple[str, str]]:
    """Every row of every table of every database, those of Airflow and MLflow too, as text."""
    server = travelled.stack.postgres
    for database in ("trailguard", "airflow", "mlflow"):
        for (table,) in server.execute(TABLES, database=database):
            for (row,) in server.execute(f"SELECT t::text FROM {table} t", database=database):
                yield f"{database} {table}", row


def read_all(travelled: Travelled) -> Iterator[tuple[str, bytes]]:
    """Every file of the state folder but the database's own, tables written out."""
    for path in travelled.stack.home.rglob("*"):
        if path.is_file() and "postgres" not in path.relative_to(travelled.stack.home).parts:
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # a log that was just rotated
                continue
            if path.suffix == ".parquet" and not path.name.startswith("."):  # what a killed stage wrote is half a table
                table = pq.ParquetFile(path).read()
                content = json.dumps([table.schema.names, table.to_pydict()], default=str).encode()
            yield str(path), content


def find(travelled: Travelled, user: str) -> set[str]:
    """Where the user's id stands, in any spelling of bytes."""
    files = {where for where, content in read_all(travelled) if user.encode() in content}
    return files | {where for where, row in dump(travelled) if user in row}


@pytest.fixture(scope="module")
def planted(travelled: Travelled) -> str:
    """A user who is everywhere."""
    plan = travelled.journey.descriptor.demo
    doubt = run_stage(travelled.journey, "doubt-labels", "--as-of", str(plan.as_of))
    trained = pq.ParquetFile(f"{doubt['folder']}/beliefs.parquet").read()["user_id"].to_pylist()
    ((user, start),) = ask(travelled, "trailguard_owner", FLAGGED, trained=trained)
    partition = sql.Identifier(f"event_flag_{start:%Y%m%d}")
    ask(travelled, "trailguard_owner", FLAGGED_EVENT, partition=partition, start=start)
    ask(travelled, "trailguard_analyst", REVIEW, user=user, start=start, comment=f"sells through {user}")
    ask(travelled, "trailguard_writer", SUGGESTION, user=user, start=start)
    spoil_a_file(travelled, user, plan.as_of)
    return user


def spoil_a_file(travelled: Travelled, user: str, day: date) -> None:
    """A row of theirs that says nothing, and a line that breaks off, come in late."""
    with (travelled.journey.descriptor.folder / f"events/{day}.csv.gz").open("ab") as file:
        file.write(gzip.compress(f"spoilt-1,{user},{day}T10:00:00.000Z,,,,,,,,,\nspoilt-2,{user}\n".encode()))
    run = travelled.airflow.trigger("ingest_events", start=str(day), end=str(day + timedelta(days=1)))
    travelled.airflow.wait_for_run("ingest_events", run)


@pytest.fixture(scope="module")
def erased(travelled: Travelled, planted: str) -> dict:
    """What the DAG run was given."""
    before = find(travelled, planted)
    for place in ("events", "items", "quarantine", "staging", "scores", "training", "doubt", "label", "user_flag",
                  "event_flag", "review", "review_suggestion"):  # fmt: skip
        assert any(place in where for where in before), place
    digest = run_stage(travelled.journey, "pseudonym", "--user-id", planted)["user_digest"]
    run = travelled.airflow.trigger("erase_user", user_digest=digest, reason="request 17")
    travelled.airflow.wait_for_run("erase_user", run)
    return {"user_digest": digest, "dag_run_id": run}


def test_the_user_stands_nowhere_any_more_not_even_in_a_log(travelled: Travelled, planted: str, erased: dict):
    assert find(travelled, planted) == set()
    assert sum(1 for _ in read_all(travelled)) > 200
    assert sum(1 for _ in dump(travelled)) > 1000


def test_who_asked_why_and_what_was_touched_is_on_record(travelled: Travelled, erased: dict):
    query = "SELECT user_digest, reason, requested_by, dag_run_id, files, tables FROM erasure_history"
    ((digest, reason, asked_by, run, files, tables),) = ask(travelled, "trailguard_analyst", query)
    assert {"user_digest": digest, "dag_run_id": run} == erased
    assert (reason, asked_by) == ("request 17", "admin")
    assert set(files) >= {"events", "quarantine", "scores", "training"}
    assert set(tables) >= {"label", "user_flag", "event_flag", "review", "review_suggestion"}
    assert all(touched["rows"] > 0 for touched in files.values())


def test_a_version_trained_before_keeps_its_snapshot(travelled: Travelled, erased: dict):
    as_of = str(travelled.journey.descriptor.demo.as_of)
    told = run_stage(travelled.journey, "choose-threshold", "--as-of", as_of, "--alert-budget", "0.45")
    assert told["value"] is not None


def test_a_backfill_does_not_bring_the_user_back_and_still_adds_up(travelled: Travelled, planted: str, erased: dict):
    plan, airflow = travelled.journey.descriptor.demo, travelled.airflow
    for dag in ("ingest_events", "ingest_labels"):
        run = airflow.trigger(dag, start=str(plan.history_start), end=str(plan.history_end))
        airflow.wait_for_run(dag, run)
    airflow.backfill("score_users", travelled.days[-1], travelled.days[-1], reprocess="completed")
    assert find(travelled, planted) == set()
    accounts = [json.loads(path.read_text()) for path in travelled.stack.home.glob("lake/accounting/*/ds=2*.json")]
    assert sum(account["reasons"].get("erased", 0) for account in accounts) > 1
    for account in accounts:
        assert account["rows_in"] == account["accepted"] + account["duplicate"] + account["quarantined"]
