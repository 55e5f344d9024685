"""One small shop's whole journey through the real scheduler, which every test of this tier looks at."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from infra.local.airflow_client import AirflowClient
from infra.local.demo import Journey, log_in, travel
from infra.local.stack import Stack
from ml.datasets.descriptor import SHIPPED
from ml.datasets.marketplace import World, simulate

WORLD = World(shoppers=2500, items=600, days=45, stealth=0.1, anomalous_share=0.3)
AS_OF = WORLD.start + timedelta(days=35)
SCORED_DAYS = 7


@dataclass(frozen=True)
class Travelled:
    """What the tests look at."""

    journey: Journey
    airflow: AirflowClient
    days: list[date]

    @property
    def stack(self) -> Stack:
        return self.journey.stack

    def url(self, role: str) -> str:
        return self.stack.postgres.url(role, "trailguard")


@pytest.fixture(scope="session")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Travelled]:
    shop, home = tmp_path_factory.mktemp("shop"), tmp_path_factory.mktemp("home")
    simulate(WORLD, shop)
    _describe(shop)
    try:
        journey = travel(str(shop), home, approve=True)
        days = [AS_OF + timedelta(days=day) for day in range(SCORED_DAYS)]
        yield Travelled(journey, log_in(journey), days)
    finally:
        Stack(home).down()


def _describe(shop: Path) -> None:
    """The shipped descriptor with this world's days, and a promise that a small world can keep."""
    declared = yaml.safe_load((SHIPPED / "marketplace.yaml").read_text())
    declared |= {"name": "small-shop", "label_delay_days": 7}
    declared["demo"] = {
        "history_start": WORLD.start,
        "as_of": AS_OF,
        "score_days": SCORED_DAYS,
        "history_end": WORLD.start + timedelta(days=WORLD.days),
        "precision_floor": 0.5,
        "alert_budget": 0.5,
    }
    (shop / "dataset.yaml").write_text(yaml.safe_dump(declared))
