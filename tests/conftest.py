"""Real parts that many tests share, each started when the first test asks for it."""

from collections.abc import Iterator

import pytest

from infra.local.postgres import PostgresServer, temporary_postgres
from infra.local.stack import Stack


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with the three databases and all roles, without tables."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All services, healthy, in a state folder of their own."""
    running = Stack(tmp_path_factory.mktemp("stack"))
    try:
        running.up()
        yield running
    finally:
        running.down()
