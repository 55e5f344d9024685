"""Airflow's own processes die while the scheduler runs a DAG; what it does then is the rest of the DAG run."""

from dataclasses import dataclass

from tests.fault.airflow import clear, require_success, run_of, see_through, tries, workers_of
from tests.fault.fault import Fault
from tests.fault.killed import COPY, WRITE
from tests.fault.postgres import SWAPPED, restart
from tests.fault.shop import Shop, until
from tests.fault.steps import step

DAG = "score_users"


@dataclass(frozen=True)
class ServiceDies:
    """A service is killed while the day's publisher stands between attach and commit; the publisher goes on, and the
    service is started again. alone: what the service had started lives on, as a scheduler's workers do."""

    service: str
    alone: bool = False

    def __call__(self, shop: Shop, round_: int) -> None:
        run = run_of(shop, DAG, shop.day(round_))
        shop.arm(step("publish-flags"), "hold", (SWAPPED, 1), after=True)
        clear(shop, DAG, run, "publish_flags")
        held = shop.held()
        restart(shop) if self.service == "postgres" else shop.kill_service(self.service, alone=self.alone)
        held.resume()
        shop.heal()
        see_through(shop, DAG, run, "publish_flags")


@dataclass(frozen=True)
class WorkerDies:
    """The task's process and its worker are killed in the middle of a stage. The stage itself may live on, beside the
    one that Airflow starts in its place."""

    task: str
    stage: str
    at: tuple[str, int]

    def __call__(self, shop: Shop, round_: int) -> None:
        run = run_of(shop, DAG, shop.day(round_))
        before = tries(shop, DAG, run, self.task)
        shop.arm(step(self.stage), "hold", self.at)
        clear(shop, DAG, run, self.task)
        held = shop.held()
        scheduler = next(status.pid for status in shop.stack.status() if status.name == "scheduler")
        for process in workers_of(held, scheduler):
            process.kill()
        held.resume()
        require_success(shop, DAG, run)
        assert tries(shop, DAG, run, self.task) >= before + 2, "Airflow tried the task again"
        until(lambda: not held.is_running(), "the stage to end", 30)


def stage_dies(shop: Shop, round_: int) -> None:
    run = run_of(shop, DAG, shop.day(round_))
    before = tries(shop, DAG, run, "publish_flags")
    shop.arm(step("publish-flags"), "kill", (SWAPPED, 1), after=True)
    clear(shop, DAG, run, "publish_flags")
    shop.struck()
    require_success(shop, DAG, run)
    assert tries(shop, DAG, run, "publish_flags") == before + 2, "Airflow tried the task again"


FAULTS = (
    Fault(
        "stage killed under the scheduler", "SIGKILL to publish-flags between attach and commit", stage_dies, quick=True
    ),
    Fault("scheduler killed", "SIGKILL while flags are being published", ServiceDies("scheduler", alone=True)),
    Fault("api-server killed", "SIGKILL while flags are being published", ServiceDies("api-server")),
    Fault("dag-processor killed", "SIGKILL while flags are being published", ServiceDies("dag-processor")),
    Fault("triggerer killed", "SIGKILL while flags are being published", ServiceDies("triggerer")),
    Fault("PostgreSQL restarted under the scheduler", "and under all else", ServiceDies("postgres")),
    Fault(
        "worker killed while flags are published",
        "SIGKILL to the task and its worker, and not to the stage",
        WorkerDies("publish_flags", "publish-flags", (COPY, 2)),
    ),
    Fault(
        "worker killed while a shard is scored",
        "SIGKILL to the task and its worker, and not to the stage",
        WorkerDies("score_shard", "score-shard", (WRITE, 1)),
    ),
)
