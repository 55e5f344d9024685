"""A secured deployment: who gets in, what is kept secret, and what `up` makes of it."""

import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from mlflow.server import app as mlflow_app
from mlflow.server.auth import routes

from infra.local.environment import MLFLOW_USERS
from infra.local.health import HEALTHY
from infra.local.prepare_accounts import grants
from infra.local.site import PROJECT
from infra.local.stack import Stack
from ml.registry.ledger import Promotion, PromotionLedger, PromotionNotAllowed
from ml.settings import Settings
from plugins.trailguard_accounts import Account, environment_of
from tests.integration.accounts.secured import (
    CHAMPION,
    EVERYBODY,
    PIPELINE,
    PRODUCTION,
    PROMOTER,
    VIEWER,
    accounts,
    acting,
)


def test_nobody_without_an_account_reaches_anything_but_what_tells_that_the_server_lives(secured: Stack):
    """MLflow itself leaves open the files that its pages are made of, and what the server can do."""
    asked = {(method, rule.rule) for rule in mlflow_app.url_map.iter_rules() for method in rule.methods}
    asked |= {("GET", path) for name, path in vars(routes).items() if name.isupper() and str(path).startswith("/")}
    asked |= {("PUT", "/api/2.0/mlflow-artifacts/artifacts/<path:artifact_path>")}
    assert len(asked) > 400
    answers: dict[tuple[str, str], int] = {}
    with httpx.Client(base_url=f"http://{secured.site.mlflow}", trust_env=False) as anonymous:
        for method, rule in asked:
            path = re.sub(r"<[^>]+>", "x", rule)
            answers[method, rule] = anonymous.request(method, path, auth=None).status_code
    let_in = {rule for (_, rule), status in answers.items() if status != httpx.codes.UNAUTHORIZED}
    assert let_in == {
        "/health",
        "/static-files/<path:path>",
        "/api/3.0/mlflow/server-info",
        "/ajax-api/3.0/mlflow/server-info",
    }


def test_a_wrong_password_is_no_account(secured: Stack):
    address = f"http://{secured.site.mlflow}/api/2.0/mlflow/experiments/search"
    for login in (("viewer", "wrong"), ("admin", ""), ("admin", "password1234"), ("nobody", "x")):
        answer = httpx.post(address, json={"max_results": 1}, auth=login, trust_env=False)
        assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_a_promotion_is_recorded_by_the_promoter_alone_and_read_by_the_pipeline(secured: Stack):
    ledger = {
        account: PromotionLedger(environment_of(account, secured.environment())["TRAILGUARD_DATABASE_URL"])
        for account in Account
    }
    promotion = Promotion(PRODUCTION, CHAMPION, None, "1", "ann", "it passed the gate", [], None)
    with pytest.raises(PromotionNotAllowed):
        ledger[PIPELINE].record(promotion)
    ledger[PROMOTER].record(promotion)
    assert ledger[PIPELINE].moves(PRODUCTION, CHAMPION) == [(None, "1", None)]


def test_every_service_is_healthy_and_up_again_changes_nothing(secured: Stack):
    assert {status.state for status in secured.status()} == {HEALTHY}
    before = {status.name: status.pid for status in secured.status()}
    held = roles_of(secured)
    again = Stack(secured.home)
    assert again.up() == set()
    assert again.settings.secure, "it is remembered"
    assert {status.name: status.pid for status in again.status()} == before
    assert roles_of(secured) == held


def roles_of(secured: Stack) -> Mapping[str, set[tuple[str, str, str]]]:
    """Account -> what its role grants, as MLflow tells the administrator."""
    with acting(secured, "admin") as client:
        told = accounts(client)
        held = {role.name: told.list_role_permissions(role.id) for role in told.list_roles("default")}
    return {name: {(p.resource_type, p.resource_pattern, p.permission) for p in held[name]} for name in EVERYBODY}


def test_up_takes_back_what_somebody_granted_by_hand(secured: Stack):
    assert roles_of(secured) == grants(Settings())
    with acting(secured, "admin") as client:
        [role] = [role.id for role in accounts(client).list_roles("default") if role.name == VIEWER]
        accounts(client).add_role_permission(role, "registered_model", PRODUCTION, "MANAGE")
        accounts(client).update_user_password(VIEWER, "chosen by hand")
    secured.up()
    assert roles_of(secured) == grants(Settings())
    with acting(secured, VIEWER) as client:
        assert client.get_model_version_by_alias(PRODUCTION, CHAMPION)


def test_only_their_owner_reads_what_holds_the_administrator_s_password(secured: Stack):
    file = secured.home / "mlflow" / "basic_auth.ini"
    assert secured.secrets["MLFLOW_ADMIN_PASSWORD"] in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_secret_stands_in_a_log(secured: Stack):
    told = [log.read_text() for log in (secured.home / "logs").glob("*.log")]
    assert len(told) > len(secured.services)
    assert not [name for name, secret in secured.secrets.items() if any(secret in text for text in told)]


@pytest.mark.parametrize("account", Account)
def test_the_printed_environment_is_the_account_s_and_holds_nobody_else_s(secured: Stack, account: Account):
    shell = f"""eval "$({sys.executable} -m infra.local env --home {secured.home} --account {account})" && env"""
    command = ["env", "-i", f"PATH={Path(sys.executable).parent}:/usr/bin:/bin", f"PYTHONPATH={PROJECT}", "bash", "-c"]
    done = subprocess.run([*command, shell], capture_output=True, text=True, cwd=PROJECT, check=True)
    printed = dict(line.split("=", 1) for line in done.stdout.splitlines())
    login = (account, secured.secrets[MLFLOW_USERS[account]]) if account in MLFLOW_USERS else ("", "")
    assert (printed["MLFLOW_TRACKING_USERNAME"], printed["MLFLOW_TRACKING_PASSWORD"]) == login
    others = [secured.secrets[MLFLOW_USERS[name]] for name in MLFLOW_USERS if name != account]
    assert not [name for name, value in printed.items() if name.startswith(("PROMOTER_", "ERASER_")) or value in others]
