"""What Airflow adds: one DAG run that scores a million users, beside the same stages from a shell."""

from infra.local.journey import log_in
from tests.bench.growth import DAY, replace_lake, score_bare, screen, show, small_journey
from tests.bench.rows import Row, compare, seconds

MILLION_USERS = 37_600_000  # events
REPETITIONS = 2


def measure(*, quick: bool) -> list[Row]:
    if quick:
        screen.print("airflow is left out of the quick run: it trains a champion first")
        return []
    with small_journey() as journey:
        events, airflow = replace_lake(journey, MILLION_USERS), log_in(journey)

        def through_airflow() -> float:
            return seconds(lambda: airflow.backfill("score_users", DAY, DAY, reprocess="completed"))

        def bare() -> float:
            stages = score_bare(journey)
            show(events, stages)
            return sum(stage.seconds for stage in stages)

        return [compare("airflow_overhead", through_airflow, bare, unit="s", repetitions=REPETITIONS)]
