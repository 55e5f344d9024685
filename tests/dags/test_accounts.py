"""Whose rights a stage has that a DAG starts."""

import re
from pathlib import Path

import pytest
from trailguard_accounts import Account, AccountAbsent, environment_of
from trailguard_promotion import promote
from trailguard_stage import run_stage

ROOT = Path(__file__).resolve().parents[2]
SERVICE = {
    "TRAILGUARD_DATABASE_URL": "writer's",
    "MLFLOW_TRACKING_USERNAME": "pipeline",
    "TRAILGUARD_LAKE": "lake",
    "PROMOTER_TRAILGUARD_DATABASE_URL": "promoter's",
    "PROMOTER_MLFLOW_TRACKING_USERNAME": "promoter",
}
PIPELINE = {name: SERVICE[name] for name in ("TRAILGUARD_DATABASE_URL", "MLFLOW_TRACKING_USERNAME", "TRAILGUARD_LAKE")}
PROMOTER = PIPELINE | {"TRAILGUARD_DATABASE_URL": "promoter's", "MLFLOW_TRACKING_USERNAME": "promoter"}


@pytest.fixture
def service(telling_stages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has a service's environment."""
    for name, value in SERVICE.items():
        monkeypatch.setenv(name, value)


def accounts_of(told: dict) -> dict[str, str]:
    return {name: value for name, value in told.items() if name in SERVICE}


def test_an_account_s_variables_stand_under_their_plain_names_and_no_other_s_are_there():
    assert environment_of(Account.PIPELINE, SERVICE) == PIPELINE
    assert environment_of(Account.PROMOTER, SERVICE) == PROMOTER


def test_an_account_that_the_environment_does_not_know_is_refused_by_its_name():
    with pytest.raises(AccountAbsent, match="account=promoter"):
        environment_of(Account.PROMOTER, PIPELINE)


@pytest.mark.usefixtures("service")
def test_a_stage_has_the_pipeline_s_rights_and_never_sees_the_promoter_s():
    told = run_stage("any-stage", module="telling", as_of="2014-03-01")
    assert told["asked"] == ["any-stage", "--as-of", "2014-03-01"]
    assert accounts_of(told) == PIPELINE
    assert not [name for name in told if name.startswith("PROMOTER_")]


@pytest.mark.usefixtures("service")
def test_a_stage_that_is_started_as_the_promoter_has_the_promoter_s_rights_alone():
    told = run_stage("any-stage", module="telling", account="promoter")
    assert accounts_of(told) == PROMOTER
    assert not [name for name in told if name.startswith("PROMOTER_")]


@pytest.mark.usefixtures("service")
def test_a_promotion_runs_as_the_promoter():
    told = promote({"version": "3", "champion": None, "results": []}, {"responded_by_user": {"name": "ann"}}, "by hand")
    assert told["asked"][:5] == ["promote-model", "--version", "3", "--approved-by", "ann"]
    assert accounts_of(told) == PROMOTER


@pytest.mark.usefixtures("service")
def test_a_roll_back_runs_as_the_promoter(dags):
    told = dags["rollback_model"].get_task("rollback_model").python_callable("it flags shoppers", "ann", "", "by hand")
    assert told["asked"][:3] == ["rollback-model", "--reason", "it flags shoppers"]
    assert accounts_of(told) == PROMOTER


def test_each_account_is_asked_for_by_these_stages_alone():
    sources = [path.read_text() for folder in ("dags", "plugins") for path in (ROOT / folder).glob("*.py")]
    asking = [pair for text in sources for pair in re.findall(r'"([a-z-]+)",\s+account="([a-z]+)"', text)]
    assert sorted(asking) == [("erase-user", "eraser"), ("promote-model", "promoter"), ("rollback-model", "promoter")]
    assert sum(text.count('account="') for text in sources) == len(asking)
