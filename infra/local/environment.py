"""The environment of every service, stage and shell: one function, for the embedded stack and for Compose alike."""

from collections.abc import Mapping
from functools import reduce
from operator import or_

from infra.local.secrets import PSEUDONYM_KEY, password_name
from infra.local.site import Site
from plugins.trailguard_accounts import Account

USERS = {"admin": "AIRFLOW_ADMIN_PASSWORD", "viewer": "AIRFLOW_VIEWER_PASSWORD"}  # role (and name) -> secret
MLFLOW_USERS = {
    name: f"MLFLOW_{name.upper()}_PASSWORD" for name in ("admin", Account.PIPELINE, Account.PROMOTER, "viewer")
}
ROLE_OF = {  # in the database
    Account.PIPELINE: "trailguard_writer",
    Account.PROMOTER: "trailguard_promoter",
    Account.ERASER: "trailguard_eraser",
}
OWN_HOSTS = "127.0.0.1,localhost,mlflow,api-server,postgres"


def environment(site: Site, secrets: Mapping[str, str]) -> dict[str, str]:
    """Variable -> value. `secrets` holds values, or for Compose the placeholders that it fills in itself."""
    shared = {**_trailguard(site, secrets), **_mlflow(site), **_airflow(site, secrets)}
    return reduce(or_, (_account(site, secrets, account) for account in Account), shared)


def mlflow_server(site: Site, secrets: Mapping[str, str]) -> dict[str, str]:
    """What MLflow's server alone needs beside it; a stage that held this could pass by every account."""
    guard = {
        "MLFLOW_AUTH_CONFIG_PATH": f"{site.home}/mlflow/basic_auth.ini",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets["MLFLOW_SECRET_KEY"],
    }
    server = {
        "MLFLOW_BACKEND_STORE_URI": database_url(site, secrets, "mlflow", "mlflow"),
        "MLFLOW_ARTIFACTS_DESTINATION": f"{site.home}/mlflow/artifacts",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"localhost:*,127.0.0.1:*,{site.mlflow}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 2 processes instead of 10, and nothing here uses the others
    }
    return server | guard if site.secure else server


def database_url(site: Site, secrets: Mapping[str, str], role: str, database: str) -> str:
    return f"postgresql+psycopg2://{role}:{secrets[password_name(role)]}@{site.postgres}/{database}"


def passwords_file(site: Site) -> str:
    return f"{site.home}/airflow/passwords.json"


def _account(site: Site, secrets: Mapping[str, str], account: Account) -> dict[str, str]:
    own = {"TRAILGUARD_DATABASE_URL": database_url(site, secrets, ROLE_OF[account], "trailguard")}
    if site.secure:
        known = account in MLFLOW_USERS
        own["MLFLOW_TRACKING_USERNAME"] = account if known else ""
        own["MLFLOW_TRACKING_PASSWORD"] = secrets[MLFLOW_USERS[account]] if known else ""
    return {f"{account.prefix}{name}": str(value) for name, value in own.items()}


def _trailguard(site: Site, secrets: Mapping[str, str]) -> dict[str, str]:
    return {
        "TRAILGUARD_HOME": site.home,
        "TRAILGUARD_LAKE": site.lake,
        PSEUDONYM_KEY: secrets.get(PSEUDONYM_KEY, ""),
        "TRAILGUARD_MLFLOW_TRACKING_URI": f"http://{site.mlflow}",
        "TRAILGUARD_HOLDOUT_KEY": secrets["TRAILGUARD_HOLDOUT_KEY"],
        "PYTHONPATH": site.project,
        "PYTHONUNBUFFERED": "1",
        "GX_ANALYTICS_ENABLED": "False",
        "NO_PROXY": OWN_HOSTS,  # a proxy set for the internet must not be asked for our own addresses
        "no_proxy": OWN_HOSTS,
    }


def _mlflow(site: Site) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": f"http://{site.mlflow}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # logs are read in Airflow, where a bar is a wall of text
        "GIT_PYTHON_REFRESH": "quiet",
    }


def _airflow(site: Site, secrets: Mapping[str, str]) -> dict[str, str]:
    home = f"{site.home}/airflow"
    sections = {
        "core": {
            "dags_folder": f"{site.project}/dags",
            "plugins_folder": f"{site.project}/plugins",
            "load_examples": "False",
            "executor": "LocalExecutor",
            "parallelism": "4",
            "min_serialized_dag_update_interval": "5",
            "fernet_key": secrets["AIRFLOW_FERNET_KEY"],
            "execution_api_server_url": f"http://{site.airflow}/execution/",
            "simple_auth_manager_users": ",".join(f"{role}:{role}" for role in USERS),
            "simple_auth_manager_passwords_file": passwords_file(site),
        },
        "database": {"sql_alchemy_conn": database_url(site, secrets, "airflow", "airflow")},
        "api": {
            "base_url": f"http://{site.airflow_in_browser}",
            "host": site.bind,
            "port": site.airflow.rpartition(":")[2],
            "workers": "1",
            "secret_key": secrets["AIRFLOW_API_SECRET_KEY"],
        },
        "api_auth": {"jwt_secret": secrets["AIRFLOW_JWT_SECRET"]},
        "dag_processor": {
            "refresh_interval": "5",  # a new file appears within seconds
            "bundle_refresh_check_interval": "2",
            "parsing_processes": "1",
            "dag_bundle_storage_path": f"{home}/bundles",
            "dag_version_inflation_check_level": "error",
        },
        "logging": {
            "base_log_folder": f"{home}/logs",
            "dag_processor_child_process_log_directory": f"{home}/logs/dag_processor",
            "colored_console_log": "False",
        },
        "usage_data_collection": {"enabled": "False"},
    }
    settings = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": value
        for section, values in sections.items()
        for name, value in values.items()
    }
    return {"AIRFLOW_HOME": home, **settings}
