"""Erases one user from everything that Trailguard keeps, and proves it.

**Reads** every file of the lake and every table. **Writes** them without the user: `lake/` (events, quarantine,
staging, scores, flags, suggestions, training snapshots and what was made of them), the validations' pages, `label`,
`user_flag`, `event_flag`, `review`, `review_suggestion` and any other table with a user; one row of `erasure`, and the
user's digest in `erased_user`, from which ingestion knows whom to keep out of backfills.

**By hand**: trigger with `user_digest` and a `reason` that does not name the user. `python -m ml pseudonym --user-id
...` tells the digest. Airflow keeps for ever what a DAG run was given, so it is never given the id itself.

It waits until no stage is running, and stages that start meanwhile wait for it: a long training delays it. An
interval that was being scored at that moment may be refused by `validate_scores`, since a user fewer was scored than
planned: clear that DAG run.

**When it fails** clear it; what was done stays done, and it goes on to the same end.

- It refused, naming a file or a table's column: something there still names the user. A model's folder is never
  changed: train again, promote, delete the old version in MLflow, remove its folder, erase again.
- A publication of events was broken off: let `ingest_events` end, then clear this run.

**Afterwards** models that are registered have learned from the user; they hold no name, and a training from now on does
not see the user: trigger `train_model`, then promote. The shop's own raw files are the shop's to clean. Backups, the
database's write-ahead log and rows that it has not vacuumed yet hold the user until they are overwritten.
"""

from airflow.sdk import Param, dag, task

from dags.schedules import ON_DEMAND, Stage


@task(task_id="erase_user")
def erase(asked: dict[str, str], dag_run_id: str) -> dict:
    from trailguard_stage import run_stage

    return run_stage("erase-user", account="eraser", **asked, dag_run_id=dag_run_id)


@dag(
    **ON_DEMAND,
    params={
        "user_digest": Param(type="string", pattern="^[0-9a-f]{64}$", description="what `pseudonym` tells of the user"),
        "reason": Param(type="string", minLength=1, description="why, for the record; it must not name the user"),
    },
    tags=[Stage.ERASE],
    doc_md=__doc__,
)
def erase_user():
    asked = {name: f"{{{{ params.{name} }}}}" for name in ("user_digest", "reason")}
    erase(asked | {"requested_by": "{{ dag_run.triggering_user_name or 'a program' }}"}, "{{ run_id }}")


erase_user()
