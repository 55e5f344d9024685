"""The embedded stack as a whole: one stack serves every test of the session."""

import os
import signal
import stat
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from infra.local.environment import USERS
from infra.local.health import HEALTHY
from infra.local.secrets import secrets_file
from infra.local.site import PROJECT
from infra.local.stack import Stack, UnknownService
from infra.local.supervisor import DEAD
from ml.errors import ExitCode

SERVICES = ["postgres", "mlflow", "api-server", "scheduler", "dag-processor", "triggerer"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local", *arguments], capture_output=True, text=True, cwd=PROJECT, check=False
    )


def airflow(stack: Stack, user: str) -> httpx.Client:
    """Airflow's API as the user sees it."""
    address = f"http://{stack.site.airflow}"
    login = {"username": user, "password": stack.secrets[USERS[user]]}
    token = httpx.post(f"{address}/auth/token", json=login, trust_env=False).raise_for_status().json()["access_token"]
    return httpx.Client(base_url=f"{address}/api/v2", headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def pids(stack: Stack) -> dict[str, int]:
    return {status.name: status.pid for status in stack.status()}


def processes(stack: Stack) -> list[psutil.Process]:
    """All that runs for this stack, known by its state folder in their environment or on their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(stack.home) in word for word in told):
            found.append(process)
    return found


def test_every_service_is_healthy(stack: Stack):
    statuses = stack.status()
    assert [status.name for status in statuses] == SERVICES
    assert {status.state for status in statuses} == {HEALTHY}
    assert all(status.pid and status.memory and status.uptime > 0 for status in statuses)


def test_up_twice_starts_nothing_and_generates_nothing(stack: Stack):
    before = pids(stack)
    assert stack.up() == set()
    assert pids(stack) == before


def test_no_secret_is_shown_a_second_time(stack: Stack):
    done = command("up", "--home", str(stack.home))
    assert done.returncode == 0, done.stderr
    assert "triggerer healthy" in done.stdout
    assert stack.secrets
    assert not [name for name, secret in stack.secrets.items() if secret in done.stdout + done.stderr]


def test_no_secret_stands_in_a_log_or_on_a_command_line(stack: Stack):
    logs = list((stack.home / "logs").glob("*.log"))
    assert len(logs) >= len(SERVICES)
    told = [log.read_text() for log in logs] + [" ".join(process.cmdline()) for process in processes(stack)]
    assert not [name for name, secret in stack.secrets.items() if any(secret in text for text in told)]


def test_only_their_owner_reads_files_that_hold_secrets(stack: Stack):
    for file in (secrets_file(stack.home), stack.home / "airflow" / "passwords.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_nothing_listens_beyond_loopback(stack: Stack):
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in [*processes(stack), psutil.Process(stack.postgres.pid())]
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", port) for port in stack.settings.ports.values()}


def test_airflow_has_one_place_on_the_gpu(stack: Stack):
    with airflow(stack, "admin") as admin:
        assert admin.get("/pools/gpu").raise_for_status().json()["slots"] == 1


def test_a_viewer_reads_dags_and_triggers_none(stack: Stack):
    trigger = {"logical_date": None, "conf": {}}
    with airflow(stack, "admin") as admin, airflow(stack, "viewer") as viewer:
        give_up = time.monotonic() + 60
        while not (dags := admin.get("/dags").raise_for_status().json()["dags"]):
            assert time.monotonic() < give_up, "the DAG processor read nothing"
            time.sleep(1)
        dag = dags[0]["dag_id"]
        assert viewer.get(f"/dags/{dag}").status_code == httpx.codes.OK
        assert viewer.post(f"/dags/{dag}/dagRuns", json=trigger).status_code == httpx.codes.FORBIDDEN
        assert admin.get(f"/dags/{dag}/dagRuns").raise_for_status().json()["total_entries"] == 0


def test_nobody_reads_dags_without_logging_in(stack: Stack):
    answer = httpx.get(f"http://{stack.site.airflow}/api/v2/dags", trust_env=False)
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_artifacts_go_through_mlflow_into_the_state_folder(stack: Stack):
    address = f"http://{stack.site.mlflow}/api/2.0/mlflow-artifacts/artifacts/probe/note.txt"
    httpx.put(address, content=b"a note", trust_env=False).raise_for_status()
    assert httpx.get(address, trust_env=False).content == b"a note"
    assert (stack.home / "mlflow" / "artifacts" / "probe" / "note.txt").read_bytes() == b"a note"


def test_the_printed_environment_reaches_the_tables_as_the_writer(stack: Stack):
    shell = f"""eval "$({sys.executable} -m infra.local env --home {stack.home})" && {sys.executable} -c '
import os, sqlalchemy
with sqlalchemy.create_engine(os.environ["TRAILGUARD_DATABASE_URL"]).connect() as session:
    print(session.execute(sqlalchemy.text("SELECT current_user")).scalar())'"""
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "trailguard_writer"


def test_psql_is_the_analyst_s(stack: Stack):
    done = command(
        "psql", "--home", str(stack.home), "--no-psqlrc", "--tuples-only", "--command", "SELECT current_user"
    )
    assert done.stdout.strip() == "trailguard_analyst", done.stderr


def test_asking_for_a_stack_that_was_never_started_creates_nothing(tmp_path):
    home = tmp_path / "nowhere"
    for question in ("status", "psql", "env"):
        done = command(question, "--home", str(home))
        assert done.returncode == ExitCode.ABSENT
        assert "No stack was ever started" in done.stderr
    assert not home.exists()


def test_an_unknown_service_is_refused(stack: Stack):
    with pytest.raises(UnknownService):
        stack.restart("redis")


def test_a_killed_service_is_reported_with_the_end_of_its_log_and_up_brings_it_back(stack: Stack):
    before = pids(stack)
    os.kill(before["triggerer"], signal.SIGKILL)
    give_up = time.monotonic() + 30
    while (states := {status.name: status.state for status in stack.status()})["triggerer"] != DEAD:
        assert time.monotonic() < give_up
    assert [name for name, state in states.items() if state != HEALTHY] == ["triggerer"]

    log = stack.home / "logs" / "triggerer.log"
    shown = ""
    while log.read_text().splitlines()[-1] not in shown:  # its orphans still write their last words
        assert time.monotonic() < give_up
        done = command("status", "--home", str(stack.home))
        shown = done.stdout
    assert done.returncode == 1
    assert str(log) in shown

    stack.up()
    after = pids(stack)
    assert after.pop("triggerer") != before.pop("triggerer")
    assert after == before


def test_down_leaves_no_process_and_up_finds_everything_again(stack: Stack):
    ports, secrets = stack.settings.ports, stack.secrets
    assert processes(stack)
    stack.down()
    assert processes(stack) == []
    assert {status.state for status in stack.status()} == {"stopped"}
    stack.up()
    assert {status.state for status in stack.status()} == {HEALTHY}
    assert (stack.settings.ports, stack.secrets) == (ports, secrets)
