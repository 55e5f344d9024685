"""A migrated trailguard database of its own for each test module."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest

from infra.local.postgres import PostgresServer
from infra.local.secrets import password_name
from infra.postgres.migrate import migrate
from infra.postgres.roles import OWNER, ROLES, create_roles
from ml.flags.store import FlagStore
from ml.flags.thresholds import ThresholdStore
from tests.flag_rows import THRESHOLD, Lake, day, event_flags_of, flags_of, run_of

RoleUrl = Callable[[str], str]


@pytest.fixture
def new_database(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an empty database that belongs to trailguard_owner."""
    name = f"empty_{request.node.name[:40]}"
    postgres.execute(f'CREATE DATABASE "{name}"')
    create_roles(postgres.dsn(database=name), {role: postgres.secrets[password_name(role)] for role in ROLES})
    yield name
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def migrated(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a database with every migration applied and no rows, which the module's tests share."""
    name = f"of_{request.module.__name__.rpartition('.')[2]}"
    postgres.execute(f'CREATE DATABASE "{name}"')
    create_roles(postgres.dsn(database=name), {role: postgres.secrets[password_name(role)] for role in ROLES})
    assert migrate(postgres.dsn(OWNER, name))
    postgres.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')  # no test here pulls the plug
    yield name
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def url_of(postgres: PostgresServer, migrated: str) -> RoleUrl:
    """Role -> address of the module's migrated database."""
    return lambda role: postgres.dsn(role, migrated)


@pytest.fixture(scope="module")
def flagged(url_of: RoleUrl) -> RoleUrl:
    """A database with one flagged user and one flagged event."""
    store = FlagStore(url_of("trailguard_writer"))
    ThresholdStore(url_of("trailguard_writer")).record(THRESHOLD)
    run = run_of(day(0), 2)
    events = event_flags_of(run, {("ann", "review-7"): 0.9})
    store.publish(run, flags_of(run, {"ann": 0.9, "bob": 0.8}), Lake().scored_below, events)
    return url_of


@pytest.fixture
def empty_labels(url_of: RoleUrl) -> Callable[[], None]:
    """Takes all labels out of the module's database, and what is recorded of ingested days."""

    def empty() -> None:
        with closing(psycopg2.connect(url_of(OWNER))) as session, session, session.cursor() as rows:
            rows.execute(
                "ALTER TABLE label DISABLE TRIGGER append_only; DELETE FROM label; DELETE FROM ingested_partition;"
                "ALTER TABLE label ENABLE TRIGGER append_only"
            )

    return empty
