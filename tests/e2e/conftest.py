"""One small shop's whole journey through the real scheduler, with accounts, which every test of this tier looks at."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from infra.local.airflow_client import AirflowClient
from infra.local.demo import travel
from infra.local.journey import Journey, log_in
from infra.local.stack import Stack
from tests.fault.home import prepare_home
from tests.small_shop import AS_OF, SCORED_DAYS, open_shop


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
    shop, home = open_shop(tmp_path_factory.mktemp("shop")), tmp_path_factory.mktemp("home")
    prepare_home(home)  # as in production but for what tests/fault does to it later
    try:
        journey = travel(str(shop), home, approve=True, secure=True)
        days = [AS_OF + timedelta(days=day) for day in range(SCORED_DAYS)]
        with pytest.MonkeyPatch.context() as patch:  # the tests look at MLflow as its administrator does
            patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
            patch.setenv("MLFLOW_TRACKING_PASSWORD", journey.stack.secrets["MLFLOW_ADMIN_PASSWORD"])
            yield Travelled(journey, log_in(journey), days)
    finally:
        Stack(home).down()
