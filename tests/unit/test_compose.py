"""docker-compose.yml is read by Compose itself and held to what the embedded stack runs."""

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.local.environment import MLFLOW_USERS, USERS, environment, mlflow_server
from infra.local.postgres import CLUSTER, SETTINGS
from infra.local.secrets import ROLES, ensure_secrets, password_name
from infra.local.services import PREPARE_ACCOUNTS, PREPARE_AIRFLOW, PREPARE_MLFLOW, services
from infra.local.site import COMPOSE, PROJECT

BINARY = Path(find_spec("compose").origin).parent / "docker-compose"
PREPARATIONS = {"prepare-databases", "prepare-mlflow", "prepare-accounts", "prepare-airflow"}
SERVICES = {service.name: service for service in services(COMPOSE)}
DATA = {"TRAILGUARD_DATA": "/srv/shop", "TRAILGUARD_DATASET": "/data/shop"}


def compose(file: Path, env_file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(BINARY), "-f", str(file), "--env-file", str(env_file), "config", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={})


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("compose") / ".env"
    ensure_secrets(file, DATA)
    return file


@pytest.fixture(scope="module")
def secrets(env_file: Path) -> dict[str, str]:
    return ensure_secrets(env_file)[0]


@pytest.fixture(scope="module")
def model(env_file: Path) -> dict[str, dict]:
    """The services as Compose understands them, with every placeholder filled in."""
    done = compose(PROJECT / "docker-compose.yml", env_file, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


def test_compose_accepts_the_file_without_a_warning(env_file: Path):
    done = compose(PROJECT / "docker-compose.yml", env_file, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_compose_refuses_a_key_it_does_not_know(env_file: Path, tmp_path: Path):
    broken = tmp_path / "docker-compose.yml"
    broken.write_text((PROJECT / "docker-compose.yml").read_text().replace("restart:", "restarts:"))
    assert compose(broken, env_file, "--quiet").returncode != 0


def test_compose_refuses_to_start_without_secrets(tmp_path: Path):
    empty = tmp_path / ".env"
    empty.touch()
    done = compose(PROJECT / "docker-compose.yml", empty, "--quiet")
    assert done.returncode != 0
    assert "run make env" in done.stderr


def test_compose_runs_the_services_of_the_embedded_stack(model: dict):
    assert model.keys() == {"postgres", *PREPARATIONS, *SERVICES}


def test_every_service_has_the_same_command(model: dict):
    assert {name: tuple(model[name]["command"]) for name in SERVICES} == {
        name: service.command for name, service in SERVICES.items()
    }
    assert tuple(model["prepare-mlflow"]["command"]) == PREPARE_MLFLOW
    assert tuple(model["prepare-accounts"]["command"]) == PREPARE_ACCOUNTS
    assert tuple(model["prepare-airflow"]["command"]) == PREPARE_AIRFLOW


def test_every_service_has_the_same_environment(model: dict, secrets: dict):
    ours = environment(COMPOSE, secrets) | {"TRAILGUARD_DATASET": DATA["TRAILGUARD_DATASET"]}
    for name in SERVICES.keys() - {"mlflow"}:
        assert model[name]["environment"] == ours
    server = ours | mlflow_server(COMPOSE, secrets)
    assert model["mlflow"]["environment"] == server
    admin = MLFLOW_USERS["admin"]
    assert model["prepare-mlflow"]["environment"] == server | {admin: secrets[admin]}
    for name, users in {"prepare-airflow": USERS, "prepare-accounts": MLFLOW_USERS}.items():
        assert model[name]["environment"] == ours | {user: secrets[user] for user in users.values()}


def test_no_service_but_mlflow_s_own_can_pass_by_its_accounts(model: dict, secrets: dict):
    told = {name: model[name]["environment"].values() for name in SERVICES.keys() - {"mlflow"}}
    assert told
    for name in ("MLFLOW_DB_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY"):
        assert not [service for service, values in told.items() if any(secrets[name] in value for value in values)]


def test_the_databases_are_prepared_with_every_role_s_password(model: dict, secrets: dict):
    given = model["prepare-databases"]["environment"]
    assert {name: given[name] for name in map(password_name, ROLES)} == {
        name: secrets[name] for name in map(password_name, ROLES)
    }


def test_postgres_runs_with_the_same_settings(model: dict):
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    assert model["postgres"]["command"] == ["postgres", *settings]
    assert model["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split() == list(CLUSTER)


def test_every_service_has_a_health_check_that_asks_what_the_supervisor_asks(model: dict):
    for name, service in SERVICES.items():
        asked = [service.health, *([service.heartbeat] if service.heartbeat else [])]
        assert model[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "infra.docker.check_health", *asked]
    assert "pg_isready" in model["postgres"]["healthcheck"]["test"]


def test_nothing_starts_before_what_it_needs(model: dict):
    conditions = {
        (name, needed): how["condition"]
        for name, service in model.items()
        for needed, how in service.get("depends_on", {}).items()
    }
    assert conditions == {
        (name, needed): "service_completed_successfully" if needed in PREPARATIONS else "service_healthy"
        for name, needed in conditions
    }
    assert {name for name, _ in conditions} == model.keys() - {"postgres"}


def test_ports_are_published_on_loopback_only(model: dict):
    published = [port for service in model.values() for port in service.get("ports", [])]
    assert {port["target"] for port in published} == {5432, 5000, 8080}
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_our_image_runs_as_an_ordinary_user():
    last_user = [line for line in (PROJECT / "infra/docker/Dockerfile").read_text().splitlines() if "USER" in line][-1]
    assert last_user == "USER trailguard"
