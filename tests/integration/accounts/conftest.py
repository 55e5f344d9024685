"""An open deployment from before there were accounts, brought up to date and secured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stack import Stack
from tests.integration.accounts.secured import (
    CANDIDATES,
    CHAMPION,
    PIPELINE,
    PRODUCTION,
    PROMOTER,
    Made,
    acting,
    forget_the_accounts,
    log_run,
    source_of,
)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="package")
def secured(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Stack]:
    """It held a run, and version 1 of what acts, when it was open."""
    running = Stack(tmp_path_factory.mktemp("older"))
    try:
        running.up()
        with acting(running, PIPELINE) as client:
            run = log_run(client, folder)
            client.create_registered_model(PRODUCTION)
            client.create_model_version(PRODUCTION, source_of(client, run), run)
            client.set_registered_model_alias(PRODUCTION, CHAMPION, "1")
        forget_the_accounts(running)
        running.up(secure=True)
        yield running
    finally:
        running.down()


@pytest.fixture(scope="package")
def made(secured: Stack, folder: Path) -> Made:
    """A candidate, registered by the pipeline, and its copy in production, made by the promoter."""
    with acting(secured, PIPELINE) as client:
        run = client.get_run(client.get_model_version(PRODUCTION, "1").run_id).info
        source = source_of(client, run.run_id)
        candidate = client.create_model_version(CANDIDATES, source, run.run_id, {"bundle_sha256": "abc"})
    with acting(secured, PROMOTER) as client:
        promoted = client.copy_model_version(f"models:/{CANDIDATES}/{candidate.version}", PRODUCTION)
        client.set_registered_model_alias(PRODUCTION, CHAMPION, promoted.version)
    assert (promoted.version, promoted.tags) == ("2", {"bundle_sha256": "abc"})
    return Made(run.run_id, run.experiment_id, candidate.version, promoted.version, folder)
