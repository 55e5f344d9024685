"""PostgreSQL goes away, or turns people away, while an interval is being published."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass

import psycopg2

from tests.fault.fault import Fault
from tests.fault.killed import COPY
from tests.fault.shop import Shop, until
from tests.fault.steps import score_users

SWAPPED = "ml.flags.store:_swap"
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'trailguard_writer'"


def restart(shop: Shop) -> None:
    shop.stack.postgres.stop()
    shop.stack.postgres.start()


def kill(shop: Shop) -> None:
    """SIGKILL to the postmaster; what it started finds out by itself."""
    server = shop.stack.postgres
    os.kill(server.pid(), signal.SIGKILL)
    until(lambda: not server.is_running(), "PostgreSQL to be gone")
    server.start()


def end_sessions(shop: Shop) -> None:
    assert shop.ask(END), "a publisher was to be at work"


@dataclass(frozen=True)
class WhilePublishing:
    """The publisher stands still at a call, harm is done to the database, and the publisher goes on."""

    harm: Callable[[Shop], None]
    at: tuple[str, int]
    after: bool = False

    def __call__(self, shop: Shop, round_: int) -> None:
        publish = score_users(shop.day(round_), shop.threshold_id)[-1]
        shop.fail(publish, self.at, lambda: self.harm(shop), after=self.after)
        shop.run(publish)
        shop.heal()


@contextmanager
def turn_taken(shop: Shop) -> Iterator[None]:
    """Another publisher stands still while the flags are its alone to change."""
    with closing(psycopg2.connect(shop.stack.postgres.dsn("trailguard_writer", "trailguard"))) as session:
        session.cursor().execute("SELECT await_turn()")
        yield


@dataclass(frozen=True)
class WriterAltered:
    """The publisher's role is altered, as the words after ALTER ROLE say, and altered back. beside: what else is so
    meanwhile."""

    harm: str
    mended: str
    beside: Callable[[Shop], AbstractContextManager] = nullcontext

    def __call__(self, shop: Shop, round_: int) -> None:
        publish = score_users(shop.day(round_), shop.threshold_id)[-1]
        shop.afterwards.append(lambda: shop.ask(f"ALTER ROLE trailguard_writer {self.mended}"))
        with self.beside(shop):
            shop.ask(f"ALTER ROLE trailguard_writer {self.harm}")
            assert shop.stage(publish).status == 1, "what failed here is tried again"
        shop.restore()
        shop.run(publish)


FAULTS = (
    Fault(
        "sessions ended mid-COPY",
        "pg_terminate_backend for all of the writer's sessions",
        WhilePublishing(end_sessions, (COPY, 2)),
    ),
    Fault(
        "PostgreSQL restarted mid-COPY",
        "pg_ctl stop --mode=fast and start, while rows are copied",
        WhilePublishing(restart, (COPY, 2)),
    ),
    Fault(
        "PostgreSQL killed between attach and commit",
        "SIGKILL to the postmaster, then crash recovery",
        WhilePublishing(kill, (SWAPPED, 1), after=True),
    ),
    Fault(
        "no connection left for the writer",
        "ALTER ROLE trailguard_writer CONNECTION LIMIT 0",
        WriterAltered("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"),
        quick=True,
    ),
    Fault(
        "statements of the writer are cancelled",
        "its statement_timeout is a second, and another publisher keeps its turn for longer",
        WriterAltered("SET statement_timeout = '1s'", "RESET statement_timeout", turn_taken),
    ),
)
