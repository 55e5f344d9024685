"""PostgreSQL goes away, or turns people away, while an interval is being published."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

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
        shop.arm(publish, "hold", self.at, after=self.after)
        process = shop.start(publish)
        held = shop.held()
        self.harm(shop)
        held.resume()
        assert shop.finish(publish, process).status == 1, "what failed here is tried again"
        shop.run(publish)
        shop.heal()


def turn_away(shop: Shop, round_: int) -> None:
    publish = score_users(shop.day(round_), shop.threshold_id)[-1]
    shop.ask("ALTER ROLE trailguard_writer CONNECTION LIMIT 0")
    shop.afterwards.append(lambda: shop.ask("ALTER ROLE trailguard_writer CONNECTION LIMIT -1"))
    assert shop.stage(publish).status == 1, "what failed here is tried again"
    shop.restore()
    shop.run(publish)


def lose_patience(shop: Shop, round_: int) -> None:
    publish = score_users(shop.day(round_), shop.threshold_id)[-1]
    shop.ask("ALTER ROLE trailguard_writer SET statement_timeout = '5ms'")
    shop.afterwards.append(lambda: shop.ask("ALTER ROLE trailguard_writer RESET statement_timeout"))
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
        "no connection left for the writer", "ALTER ROLE trailguard_writer CONNECTION LIMIT 0", turn_away, quick=True
    ),
    Fault("statements of the writer are cancelled", "its statement_timeout is 5 ms", lose_patience),
)
