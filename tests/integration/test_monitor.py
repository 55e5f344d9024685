"""Alerts and decisions on record, and told to a listener."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psycopg2
import pytest

from infra.local.ports import free_port
from ml.contracts.model_version import ModelVersion
from ml.monitoring.alert import Alert, AlertKind
from ml.monitoring.ladder import Action, Decision
from ml.monitoring.store import MonitorStore
from ml.monitoring.webhook import WebhookUnheard, send
from tests.flag_rows import day
from tests.integration.conftest import RoleUrl

MODEL = ModelVersion("trailguard", "1")
DRIFT = Alert(AlertKind.FEATURE_DRIFT, "pace", "1 of 9 inputs")


@pytest.fixture
def store(url_of: RoleUrl) -> MonitorStore:
    return MonitorStore(url_of("trailguard_writer"))


def read(url: str, query: str) -> list[tuple]:
    with psycopg2.connect(url) as session, session.cursor() as rows:
        rows.execute(query)
        return rows.fetchall()


def test_looking_at_a_day_again_replaces_its_alerts_and_no_other_days(store: MonitorStore, url_of: RoleUrl):
    store.replace_alerts(day(0), MODEL, [DRIFT, Alert(AlertKind.NEW_KIND, "ring", "5 users")])
    store.replace_alerts(day(1), MODEL, [DRIFT])
    store.replace_alerts(day(0), MODEL, [Alert(AlertKind.SCORE_DRIFT, "score", "by 0.3")])
    history = "SELECT kind, subject, told, model_version FROM alert_history ORDER BY interval_start"
    assert read(url_of("trailguard_analyst"), history) == [
        ("score_drift", "score", "by 0.3", "1"),
        ("feature_drift", "pace", "1 of 9 inputs", "1"),
    ]


def test_a_decision_that_was_made_once_stands_whatever_is_decided_later(store: MonitorStore, url_of: RoleUrl):
    first = Decision(day(0).end, Action.RETRAIN, "inputs drifted")
    assert store.settle(day(0), MODEL, first, dag_run_id="run-1") == first
    assert store.settle(day(0), MODEL, Decision(day(0).end, Action.NOTHING, "fine"), dag_run_id="run-2") == first
    assert store.decisions(MODEL) == [first]
    store.replace_alerts(day(0), MODEL, [DRIFT, Alert(AlertKind.NEW_KIND, "ring", "5 users")])
    assert store.decisions(MODEL) == [replace(first, new_kinds=frozenset({"ring"}))]
    assert store.decisions(ModelVersion("trailguard", "2")) == []
    history = "SELECT action, reason, dag_run_id FROM decision_history"
    assert read(url_of("trailguard_analyst"), history) == [("retrain", "inputs drifted", "run-1")]
    with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
        read(url_of("trailguard_owner"), "DELETE FROM monitor_decision")


@contextmanager
def listening(status: int) -> Iterator[tuple[str, list[dict]]]:
    """A webhook's address, and what was posted there."""
    posted: list[dict] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", free_port()), Listener)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?key=s3cret", posted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_listener_is_told_as_json():
    with listening(204) as (address, posted):
        send(address, {"alerts": [vars(DRIFT)], "action": "retrain"})
    assert posted == [{"alerts": [vars(DRIFT)], "action": "retrain"}]


def test_a_listener_that_refuses_or_is_gone_is_an_error_that_keeps_its_key_to_itself():
    with listening(500) as (address, _), pytest.raises(WebhookUnheard, match="status=500") as refused:
        send(address, {})
    with pytest.raises(WebhookUnheard, match="ConnectError") as gone:
        send(address, {})
    for error in (refused, gone):
        assert "s3cret" not in str(error.value)
