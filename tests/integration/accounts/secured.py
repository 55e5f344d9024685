"""A deployment with accounts, and MLflow as each of them finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.server.auth.client import AuthServiceClient

from infra.local.environment import MLFLOW_USERS
from infra.local.secrets import password_name, secrets_file
from infra.local.stack import Stack
from ml.registry.register import EXPERIMENT
from plugins.trailguard_accounts import Account, environment_of

PIPELINE, PROMOTER, VIEWER = Account.PIPELINE, Account.PROMOTER, "viewer"
EVERYBODY = (PIPELINE, PROMOTER, VIEWER)
PRODUCTION, CANDIDATES, BACKBONES = "trailguard", "trailguard-candidates", "trailguard-backbone"
CHAMPION = "champion"
FORGET_THE_PROMOTER = """
    DROP OWNED BY trailguard_promoter;
    DROP ROLE trailguard_promoter;
    GRANT INSERT ON trailguard.promotion_ledger TO trailguard_writer;
    DELETE FROM trailguard.schema_migration WHERE name LIKE '%promoter';
"""
TOLD = b"what the model is"


@contextmanager
def acting(stack: Stack, account: str) -> Iterator[MlflowClient]:
    """MLflow as the account finds it in the environment of its stages; a person, as they would log in."""
    variables = environment_of(Account(account) if account in set(Account) else PIPELINE, stack.environment())
    if account not in set(Account) and stack.settings.secure:
        secret = stack.secrets[MLFLOW_USERS[account]]
        variables |= {"MLFLOW_TRACKING_USERNAME": account, "MLFLOW_TRACKING_PASSWORD": secret}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            if name.startswith("MLFLOW_"):
                patch.setenv(name, value)
        mlflow.set_tracking_uri(variables["MLFLOW_TRACKING_URI"])  # an earlier test's would win over the environment
        yield MlflowClient()


@dataclass(frozen=True)
class Made:
    """What a run of before left, and the versions that were made of it. folder: one artifact to log."""

    run: str
    experiment: str
    candidate: str
    promoted: str
    folder: Path


def log_run(client: MlflowClient, folder: Path) -> str:
    """A run with one artifact, as a training leaves it."""
    (folder / "told.txt").write_bytes(TOLD)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    made = client.create_run(experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT))
    client.log_artifacts(made.info.run_id, str(folder), "bundle")
    return made.info.run_id


def source_of(client: MlflowClient, run: str) -> str:
    return f"{client.get_run(run).info.artifact_uri}/bundle"


def download(uri: str, client: MlflowClient) -> bytes:
    return Path(mlflow.artifacts.download_artifacts(uri, tracking_uri=client.tracking_uri), "told.txt").read_bytes()


def accounts(client: MlflowClient) -> AuthServiceClient:
    return AuthServiceClient(client.tracking_uri)


def forget_the_accounts(stack: Stack) -> None:
    """The state folder as it was when the writer did everything."""
    stack.postgres.execute(FORGET_THE_PROMOTER, database="trailguard")
    stack.settings.prepared["databases"] = "1"
    stack.settings.save(stack.home)
    new = {password_name("trailguard_promoter"), "MLFLOW_SECRET_KEY", *MLFLOW_USERS.values()}
    kept = [line for line in secrets_file(stack.home).read_text().splitlines() if line.partition("=")[0] not in new]
    secrets_file(stack.home).write_text("\n".join(kept) + "\n")
