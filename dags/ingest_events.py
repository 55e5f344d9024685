"""Reads a data interval's raw events into validated daily partitions of the lake.

**Reads** the files that the dataset descriptor names. **Writes** `lake/events/ds=*/`, `lake/quarantine/events/`,
`lake/accounting/events/` and the table `ingested_partition`; rows in == accepted + duplicate + quarantined.

**When it fails** the interval's partitions stay as they were and `score_users` waits.

- `read_events` refused: the descriptor or a file is wrong; the log names file, line and column.
- `validate_events` failed: the log lists the failed expectations, and Data Docs show them. The staged rows are kept.
- A day arrived late or was repaired: clear the run or backfill with reprocessing; the same rows come out.

**Longer history** in one go: trigger by hand with `start` and `end`.
"""

from airflow.sdk import dag, task

from dags.assets import EVENTS
from dags.schedules import EVERY_DAY, INTERVAL_PARAMS, START, STOP, Stage


@task
def read_events(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("read-events", start=start, end=end)


@task
def validate_events(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("events", module="expectations", start=start, end=end)


@task(outlets=[EVENTS])
def publish_events(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("publish-events", start=start, end=end)


@dag(
    **EVERY_DAY,
    params=INTERVAL_PARAMS,
    tags=[Stage.INGEST],
    doc_md=__doc__,
)
def ingest_events():
    read_events(START, STOP) >> validate_events(START, STOP) >> publish_events(START, STOP)


ingest_events()
