import os
import signal
import stat
import time
from contextlib import closing

import psutil
import psycopg2
import pytest
from psycopg2.extras import wait_select
from sqlalchemy import create_engine, text

from infra.docker import prepare_databases
from infra.local.databases import GUESTS, OWNERS
from infra.local.postgres import PostgresServer
from infra.local.secrets import ROLES, secrets_file
from infra.postgres.migrate import read_migrations


def test_every_role_logs_into_its_own_database(postgres: PostgresServer):
    homes = {owner: database for database, owner in OWNERS.items()}
    homes |= {guest: database for database, guests in GUESTS.items() for guest in guests}
    assert homes.keys() == set(ROLES)
    for role, database in homes.items():
        engine = create_engine(postgres.url(role, database))
        with engine.connect() as session:
            assert session.execute(text("SELECT current_user, current_database()")).one() == (role, database)
        engine.dispose()


def test_a_role_is_refused_in_a_database_that_is_not_its_own(postgres: PostgresServer):
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(postgres.dsn("trailguard_recommender", "airflow"))


def test_nobody_logs_in_without_the_password(postgres: PostgresServer):
    wrong = postgres.dsn().replace(postgres.secrets["POSTGRES_PASSWORD"], "postgres")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)


def test_the_server_listens_on_loopback_only(postgres: PostgresServer):
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(postgres.pid()).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_what_is_committed_is_flushed_to_disk(postgres: PostgresServer):
    assert postgres.execute("SHOW fsync") == [("on",)]
    assert postgres.execute("SHOW synchronous_commit") == [("on",)]


def test_only_its_owner_reads_the_passwords(postgres: PostgresServer):
    assert stat.S_IMODE(secrets_file(postgres.home).stat().st_mode) == 0o600


def test_creating_roles_and_databases_again_changes_nothing(postgres: PostgresServer):
    roles = "SELECT rolname FROM pg_roles ORDER BY 1"
    before = postgres.execute(roles)
    postgres.create_roles_and_databases()
    assert postgres.execute(roles) == before


def test_a_second_object_finds_the_running_server(postgres: PostgresServer):
    assert PostgresServer(postgres.home).port == postgres.port


def test_an_init_container_prepares_an_empty_server_and_may_run_again(tmp_path, monkeypatch, capsys):
    server = PostgresServer(tmp_path)
    server.initialise()
    server.start()
    try:
        monkeypatch.setenv("TRAILGUARD_SUPERUSER_URL", server.dsn())
        monkeypatch.setenv("TRAILGUARD_OWNER_URL", server.dsn("trailguard_owner", "trailguard"))
        for name, value in server.secrets.items():
            monkeypatch.setenv(name, value)
        prepare_databases.main()
        applied = capsys.readouterr().out.split()
        assert applied == [migration.name for migration in read_migrations()]
        prepare_databases.main()
        assert capsys.readouterr().out == ""
        with psycopg2.connect(server.dsn("trailguard_recommender", "trailguard")) as session:
            assert session.info.user == "trailguard_recommender"
        session.close()
    finally:
        server.stop()


def test_rows_survive_a_killed_server(tmp_path):
    server = PostgresServer(tmp_path)
    server.initialise()
    server.start()
    try:
        server.execute("CREATE TABLE fact AS SELECT 1 AS number")
        os.kill(server.pid(), signal.SIGKILL)
        give_up = time.monotonic() + 10
        while server.is_running():
            assert time.monotonic() < give_up
        assert server.died()
        server.start()
        assert server.execute("SELECT number FROM fact") == [(1,)]
    finally:
        server.stop()
    assert not server.is_running()
    assert not server.died()


def test_a_killed_server_is_started_only_when_all_of_it_is_gone(tmp_path):
    """A session that is busy does not look whether its server lives: beside a new one it would write what it wrote."""
    server = PostgresServer(tmp_path)
    server.initialise()
    server.start()
    try:
        with closing(psycopg2.connect(server.dsn(), async_=1)) as session:
            wait_select(session)
            with session.cursor() as rows:
                rows.execute("SELECT count(*) FROM generate_series(1, 1000000000) AS n WHERE n % 7 = 3")
            busy = psutil.Process(session.info.backend_pid)
            until(lambda: busy.cpu_times().user > 0.3)
            os.kill(server.pid(), signal.SIGKILL)
            until(lambda: not server.is_running())
            assert busy.is_running()
            server.start()
            assert not busy.is_running() or busy.status() == psutil.STATUS_ZOMBIE
        assert server.execute("SELECT 1") == [(1,)]
    finally:
        server.stop()


def until(condition) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)
