"""Gives MLflow, once its server answers, its accounts and what each may do. Safe to repeat.

Models and experiments are made here, by the administrator: whoever makes one may delete it with all that is in it.
"""

import os

from mlflow import MlflowClient
from mlflow.exceptions import RestException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.server import get_app_client
from mlflow.server.auth.client import AuthServiceClient

from infra.local.environment import MLFLOW_USERS
from ml.registry.register import EXPERIMENT
from ml.registry.search_log import EXPERIMENT as SEARCHES
from ml.settings import Settings, settings

WORKSPACE = "default"
Grant = tuple[str, str, str]  # kind of resource, its name, permission
READ_ALL: set[Grant] = {("experiment", "*", "READ"), ("registered_model", "*", "READ")}
MAKE: Grant = ("workspace", "*", "USE")  # new models and experiments; a client asks to make even one that is there


def grants(named: Settings) -> dict[str, set[Grant]]:
    """Account -> what it may do; beside it, all with what it made itself.

    named: of the registered models. EDIT makes, tags and aliases versions, and deletes nothing.
    """
    production, written = named.model_name, (named.candidates_name, named.backbones_name)
    return {
        "pipeline": {
            MAKE,
            ("experiment", "*", "EDIT"),
            ("registered_model", production, "READ"),
            *(("registered_model", name, "EDIT") for name in written),
        },
        "promoter": {MAKE, *READ_ALL, ("registered_model", production, "EDIT")},
        "viewer": READ_ALL,
    }


def make_missing(client: MlflowClient, experiments: list[str], models: list[str]) -> None:
    for name in experiments:
        if client.get_experiment_by_name(name) is None:
            client.create_experiment(name)
    for name in models:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)


def set_account(accounts: AuthServiceClient, name: str, password: str, granted: set[Grant]) -> None:
    """Makes the account or sets its password; the role of its name grants exactly this afterwards."""
    _set_password(accounts, name, password)
    roles = {role.name: role.id for role in accounts.list_roles(WORKSPACE)}
    role = roles.get(name) or accounts.create_role(WORKSPACE, name).id
    held = {(p.resource_type, p.resource_pattern, p.permission): p.id for p in accounts.list_role_permissions(role)}
    for grant in held.keys() - granted:
        accounts.remove_role_permission(held[grant])
    for grant in granted - held.keys():
        accounts.add_role_permission(role, *grant)
    if role not in {assigned.id for assigned in accounts.list_user_roles(name)}:
        accounts.assign_role(name, role)


def _set_password(accounts: AuthServiceClient, name: str, password: str) -> None:
    try:
        accounts.update_user_password(name, password)
    except RestException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        accounts.create_user(name, password)


def main() -> None:
    """Needs MLFLOW_TRACKING_URI and the password of every account, as MLFLOW_ADMIN_PASSWORD and so on."""
    os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": os.environ[MLFLOW_USERS["admin"]]}
    named = settings()
    models = [named.model_name, named.candidates_name, named.backbones_name]
    make_missing(MlflowClient(), [EXPERIMENT, SEARCHES], models)
    accounts = get_app_client("basic-auth", os.environ["MLFLOW_TRACKING_URI"])
    for name, granted in grants(named).items():
        set_account(accounts, name, os.environ[MLFLOW_USERS[name]], granted)


if __name__ == "__main__":
    main()
