"""What each account may do in MLflow: every account tries everything."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import HTTPError

from infra.local.stack import Stack
from tests.integration.accounts.secured import (
    BACKBONES,
    CANDIDATES,
    CHAMPION,
    EVERYBODY,
    PIPELINE,
    PRODUCTION,
    PROMOTER,
    TOLD,
    VIEWER,
    Made,
    accounts,
    acting,
    download,
    source_of,
)

Action = Callable[[MlflowClient, Made], object]
ACTIONS: dict[str, tuple[tuple[str, ...], Action]] = {
    "read a run": (EVERYBODY, lambda c, m: c.get_run(m.run)),
    "find runs": (EVERYBODY, lambda c, m: c.search_runs([m.experiment])[0]),
    "find production's versions": (EVERYBODY, lambda c, m: c.search_model_versions(f"name = '{PRODUCTION}'")[1]),
    "find candidates": (EVERYBODY, lambda c, m: c.search_model_versions(f"name = '{CANDIDATES}'")[0]),
    "ask who acts": (EVERYBODY, lambda c, m: c.get_model_version_by_alias(PRODUCTION, CHAMPION)),
    "fetch what acts": (EVERYBODY, lambda c, m: download(f"models:/{PRODUCTION}/{m.promoted}", c)),
    "fetch a candidate": (EVERYBODY, lambda c, m: download(f"models:/{CANDIDATES}/{m.candidate}", c)),
    "begin a run": ((PIPELINE,), lambda c, m: c.create_run(m.experiment)),
    "log a metric": ((PIPELINE,), lambda c, m: c.log_metric(m.run, "loss", 0.5)),
    "log artifacts to a run": ((PIPELINE,), lambda c, m: c.log_artifacts(m.run, str(m.folder), "thresholds")),
    "tag a run": ((PIPELINE,), lambda c, m: c.set_tag(m.run, "threshold", "0.5")),
    "register a candidate": ((PIPELINE,), lambda c, m: c.create_model_version(CANDIDATES, source_of(c, m.run), m.run)),
    "tag a candidate": ((PIPELINE,), lambda c, m: c.set_model_version_tag(CANDIDATES, m.candidate, "as_of", "now")),
    "describe a candidate": ((PIPELINE,), lambda c, m: c.update_model_version(CANDIDATES, m.candidate, "a GRU")),
    "name a challenger": (
        (PIPELINE,),
        lambda c, m: c.set_registered_model_alias(CANDIDATES, "challenger", m.candidate),
    ),
    "register a backbone": ((PIPELINE,), lambda c, m: c.create_model_version(BACKBONES, source_of(c, m.run), m.run)),
    "copy a candidate": (
        (PROMOTER,),
        lambda c, m: c.copy_model_version(f"models:/{CANDIDATES}/{m.candidate}", PRODUCTION),
    ),
    "register in production": (
        (PROMOTER,),
        lambda c, m: c.create_model_version(PRODUCTION, source_of(c, m.run), m.run),
    ),
    "move the champion": (
        (PROMOTER,),
        lambda c, m: c.set_registered_model_alias(PRODUCTION, CHAMPION, m.promoted),
    ),
    "tag what acts": ((PROMOTER,), lambda c, m: c.set_model_version_tag(PRODUCTION, m.promoted, "threshold", "0.5")),
    "describe what acts": ((PROMOTER,), lambda c, m: c.update_model_version(PRODUCTION, m.promoted, "acts")),
    # a client asks to make even a model that is there: who may register versions must be let through
    "make an experiment": ((PIPELINE, PROMOTER), lambda c, m: c.create_experiment(f"other-{uuid4()}")),
    "make a model": ((PIPELINE, PROMOTER), lambda c, m: c.create_registered_model(f"other-{uuid4()}")),
    "copy to candidates": (
        (PIPELINE,),
        lambda c, m: c.copy_model_version(f"models:/{PRODUCTION}/{m.promoted}", CANDIDATES),
    ),
    "take the champion's name away": ((), lambda c, m: c.delete_registered_model_alias(PRODUCTION, CHAMPION)),
    "take the challenger's name away": ((), lambda c, m: c.delete_registered_model_alias(CANDIDATES, "challenger")),
    "delete a version of production": ((), lambda c, m: c.delete_model_version(PRODUCTION, m.promoted)),
    "delete a tag of what acts": (
        (),
        lambda c, m: c.delete_model_version_tag(PRODUCTION, m.promoted, "bundle_sha256"),
    ),
    "delete a candidate": ((), lambda c, m: c.delete_model_version(CANDIDATES, m.candidate)),
    "delete production": ((), lambda c, m: c.delete_registered_model(PRODUCTION)),
    "delete candidates": ((), lambda c, m: c.delete_registered_model(CANDIDATES)),
    "delete a run": ((), lambda c, m: c.delete_run(m.run)),
    "delete an experiment": ((), lambda c, m: c.delete_experiment(m.experiment)),
    "list accounts": ((), lambda c, m: accounts(c).list_all_roles()),
    "make an account": ((), lambda c, m: accounts(c).create_user("mallory", "a long password")),
    "give oneself production": (
        (),
        lambda c, m: [
            accounts(c).grant_user_permission(name, "registered_model", PRODUCTION, "MANAGE") for name in EVERYBODY
        ],
    ),
}


def is_allowed(action: Action, client: MlflowClient, made: Made) -> bool:
    try:
        action(client, made)
    except (MlflowException, HTTPError) as error:
        if not re.search(r"error code 403|403 Client Error", str(error)):
            raise
        return False
    return True


@pytest.mark.parametrize("action", ACTIONS)
def test_an_account_may_do_exactly_what_is_written_down(secured: Stack, made: Made, action: str):
    may, act = ACTIONS[action]
    found = []
    for account in EVERYBODY:
        with acting(secured, account) as client:
            found += [account] if is_allowed(act, client, made) else []
    assert found == list(may)


def test_what_the_open_deployment_held_is_still_there_and_acts_until_something_else_is_promoted(
    secured: Stack, made: Made
):
    with acting(secured, VIEWER) as client:
        assert client.get_model_version(PRODUCTION, "1").run_id == made.run
        assert download(f"models:/{PRODUCTION}/1", client) == TOLD


def test_the_copy_in_production_is_made_of_the_candidate_s_files(secured: Stack, made: Made):
    with acting(secured, PIPELINE) as client:
        assert download(f"models:/{PRODUCTION}/{made.promoted}", client) == TOLD
