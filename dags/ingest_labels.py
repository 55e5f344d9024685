"""Reads the labels that became known in a data interval into the append-only label table.

**Reads** the label files of the dataset descriptor. **Writes** rows of `label` (two clocks: the event's time and
`observed_at`), `lake/quarantine/labels/`, `lake/accounting/labels/` and the table `ingested_partition`.

**When it fails** no label of the interval is added; training as of an earlier day is not touched.

- `read_labels` refused: the descriptor or a file is wrong; the log names file, line and column.
- `validate_labels` failed: the log lists the failed expectations.
- Running it again adds nothing twice: a label is keyed by its content.

**Longer history** in one go: trigger by hand with `start` and `end`.
"""

from airflow.sdk import dag, task

from dags.assets import LABELS
from dags.schedules import EVERY_DAY, INTERVAL_PARAMS, START, STOP, Stage


@task
def read_labels(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("read-labels", start=start, end=end)


@task
def validate_labels(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("labels", module="expectations", start=start, end=end)


@task(outlets=[LABELS])
def publish_labels(start: str, end: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("publish-labels", start=start, end=end)


@dag(
    **EVERY_DAY,
    params=INTERVAL_PARAMS,
    tags=[Stage.INGEST],
    doc_md=__doc__,
)
def ingest_labels():
    read_labels(START, STOP) >> validate_labels(START, STOP) >> publish_labels(START, STOP)


ingest_labels()
