import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from infra.docker.check_health import is_healthy
from infra.local.health import HEALTHY, check
from infra.local.homes import home_of, make_current
from infra.local.ports import LOOPBACK, free_port
from infra.local.services import Service
from infra.local.stack import Stack
from infra.local.supervisor import DEAD, STOPPED, ServiceDied, ServiceNotReady, Supervisor

SLEEPER = ("python", "-c", "import time; print('running', flush=True); time.sleep(60)")
ENVIRONMENT = {"PYTHONPATH": str(Path.cwd())}


def service(*command: str, health: str = "http://127.0.0.1:9/", heartbeat: str | None = None) -> Service:
    return Service("probe", command, health, heartbeat)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path)
    yield running
    running.stop("probe")


@contextmanager
def answering(report: dict) -> Iterator[str]:
    """The address of an HTTP server that gives one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(report).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}/"
        server.shutdown()


def test_a_service_that_dies_while_starting_is_reported_with_the_end_of_its_log(supervisor: Supervisor):
    dying = service("python", "-c", "print('the port is taken'); raise SystemExit(1)")
    supervisor.start(dying, ENVIRONMENT)
    with pytest.raises(ServiceDied) as failure:
        supervisor.wait_healthy([dying], 30, lambda _: None)
    assert "the port is taken" in str(failure.value)
    assert str(supervisor.log("probe")) in str(failure.value)
    assert supervisor.status(dying).state == DEAD


def test_a_service_that_never_answers_is_reported_as_not_ready(supervisor: Supervisor):
    mute = service(*SLEEPER)
    supervisor.start(mute, ENVIRONMENT)
    with pytest.raises(ServiceNotReady):
        supervisor.wait_healthy([mute], 0, lambda _: None)


def test_a_command_that_fails_is_reported_with_the_end_of_its_log(supervisor: Supervisor):
    child = supervisor.run("migration", ("python", "-c", "raise SystemExit('no such table')"), ENVIRONMENT)
    with pytest.raises(ServiceDied, match="no such table"):
        supervisor.finish("migration", child)


def test_a_running_service_is_left_alone_until_its_recipe_changes(supervisor: Supervisor):
    assert supervisor.start(service(*SLEEPER), ENVIRONMENT)
    first = supervisor.status(service(*SLEEPER)).pid
    assert not supervisor.start(service(*SLEEPER), ENVIRONMENT)
    assert supervisor.status(service(*SLEEPER)).pid == first
    assert supervisor.start(service(*SLEEPER), ENVIRONMENT | {"TRAILGUARD_DATASET": "another"})
    assert supervisor.status(service(*SLEEPER)).pid != first
    assert not psutil.pid_exists(first)


def test_a_stopped_service_is_not_called_dead(supervisor: Supervisor):
    supervisor.start(service(*SLEEPER), ENVIRONMENT)
    supervisor.stop("probe")
    assert supervisor.status(service(*SLEEPER)).state == STOPPED


@pytest.mark.parametrize(
    ("age", "status", "told"),
    [
        (timedelta(0), "healthy", HEALTHY),
        (timedelta(0), "unhealthy", "unhealthy"),
        (timedelta(days=1), "healthy", "no heartbeat yet"),
    ],
)
def test_a_heartbeat_counts_only_when_this_very_process_gave_it(age: timedelta, status: str, told: str):
    beat = (datetime.now(UTC) - age).isoformat()
    with answering({"scheduler": {"status": status, "latest_scheduler_heartbeat": beat}}) as address:
        assert check(service(health=address, heartbeat="scheduler"), psutil.Process()) == told


def test_a_component_that_never_beat_is_not_healthy():
    with answering({"triggerer": {"status": None, "latest_triggerer_heartbeat": None}}) as address:
        assert check(service(health=address, heartbeat="triggerer"), psutil.Process()) == "no heartbeat yet"


@pytest.mark.parametrize(("status", "healthy"), [("healthy", True), ("unhealthy", False), (None, False)])
def test_a_container_is_as_healthy_as_its_component(status: str | None, healthy: bool):
    with answering({"triggerer": {"status": status}}) as address:
        assert is_healthy(address) is True
        assert is_healthy(address, "triggerer") is healthy


def test_a_container_that_does_not_answer_is_not_healthy():
    assert is_healthy(f"http://{LOOPBACK}:{free_port()}/") is False


def test_a_taken_port_is_replaced_and_a_free_one_kept():
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_two_stacks_that_start_together_choose_different_ports():
    chosen = [free_port() for _ in range(20)]
    assert len(set(chosen)) > 15  # drawn from 12,000


def test_the_interpreter_is_the_one_that_runs_the_stack():
    assert Supervisor.command(SLEEPER)[0] == sys.executable


def test_each_dataset_has_its_own_home_and_the_last_one_started_is_current(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert home_of(None) == Path(".trailguard/marketplace")
    home = tmp_path / ".trailguard" / "shop"
    home.mkdir(parents=True)
    make_current(home)
    assert home_of(None).resolve() == home
    assert Stack(home_of(None)).home == home
