"""`python -m expectations SUITE`: validates what a stage staged, before it is published."""

import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import typer

from ml.commands.registered import fetched, model_version
from ml.commands.stage import AsOf, End, Model, Start, Version, new_app
from ml.commands.trained import HowLearned, Learning, load_snapshot
from ml.contracts.events import EVENT_SCHEMA
from ml.contracts.intervals import Interval
from ml.contracts.labels import LABEL_SCHEMA
from ml.errors import TrailguardError
from ml.ingest.lake import EventLake
from ml.settings import settings

app = new_app("Great Expectations suites over what a stage has staged. Exit status 3: an expectation does not hold.")


@app.command()
def events(start: Start, end: End) -> None:
    """The staged events of an interval, and their accounting."""
    from expectations.accounting import accounting_suite
    from expectations.events import events_suite

    interval, lake = Interval.parse(start, end), EventLake(settings().lake)
    rows = _read_days(lake.staged_partitions("events", interval), EVENT_SCHEMA)
    columns = [name for name in rows.columns if name != "ds"]
    batch = _batch_name(interval)
    _validate(
        batch,
        [
            (events_suite(columns, interval), rows),
            (accounting_suite(settings().quarantine_limit), _accounting(lake, "events", interval)),
        ],
    )


@app.command()
def labels(start: Start, end: End) -> None:
    """The staged labels of an interval, and their accounting."""
    from expectations.accounting import accounting_suite
    from expectations.labels import labels_suite

    interval, lake = Interval.parse(start, end), EventLake(settings().lake)
    rows = _read_days(lake.staged_partitions("labels", interval), LABEL_SCHEMA)
    _validate(
        _batch_name(interval),
        [
            (labels_suite(interval), rows.drop(columns="ds")),
            (accounting_suite(settings().quarantine_limit), _accounting(lake, "labels", interval)),
        ],
    )


@app.command()
def sequences(as_of: AsOf, learning: HowLearned = Learning.TRAINING) -> None:
    """The users of a training snapshot: slices, labels and clocks."""
    from expectations.sequences import describe_users, sequences_suite

    snapshot = load_snapshot(as_of, learning)
    suite = sequences_suite(snapshot.as_of, snapshot.label_delay, snapshot.window)
    _validate(f"{learning}_as_of={snapshot.as_of.date().isoformat()}", [(suite, describe_users(snapshot))])


@app.command()
def scores(start: Start, end: End, version: Version, model: Model = "") -> None:
    """The scores of an interval by one model version."""
    from expectations.scores import scores_suite
    from ml.contracts.scores import Evidence
    from ml.scoring.score_lake import ScoreLake
    from ml.sequences.features import Featurizer

    interval, lake = Interval.parse(start, end), ScoreLake(settings().lake / "scores")
    judge = model_version(model, version)
    plan, rows = lake.read_plan(interval, judge), lake.read(interval, judge).to_pandas()
    window = Featurizer.load(fetched(judge)).window
    scored = int((rows["evidence"] == Evidence.SUFFICIENT).sum())
    suite = scores_suite(interval, users=plan.users, scored=scored, window=window)
    _validate(f"ds={interval.ds}_model={judge.name}_version={version}", [(suite, rows)], **judge.facts)


def _validate(batch: str, pairs: list, **facts: object) -> None:
    """Runs every suite before the first failure is raised, so that one log shows them all."""
    from expectations.runner import run_suite

    where = {"validations": settings().lake / "validations", "docs": settings().data_docs}
    outcomes = [run_suite(suite, rows, batch=batch, **where) for suite, rows in pairs]
    for outcome in outcomes:
        for sentence in outcome.failed:
            typer.echo(f"FAILED {outcome.suite}: {sentence}", err=True)
    for outcome in outcomes:
        outcome.require()
    evaluated = {outcome.suite: outcome.evaluated for outcome in outcomes}
    typer.echo(json.dumps({"batch": batch, "evaluated": evaluated, **facts}))


def _read_days(files: list[Path], schema: pa.Schema) -> pd.DataFrame:
    """All rows with their partition's date in a column `ds`; without a file, no rows of the contract's columns."""
    if not files:
        return schema.empty_table().to_pandas().assign(ds="")
    days = [pd.read_parquet(file, partitioning=None).assign(ds=file.parent.name.removeprefix("ds=")) for file in files]
    return pd.concat(days, ignore_index=True)


def _accounting(lake: EventLake, stream: str, interval: Interval) -> pd.DataFrame:
    staged = lake.staged(stream, interval)
    total = staged.total
    row = {name: getattr(total, name) for name in ("rows_in", "accepted", "duplicate", "quarantined", "unaccounted")}
    return pd.DataFrame([row | {"quarantined_share": staged.quarantined_share}])


def _batch_name(interval: Interval) -> str:
    days = [day.ds for day in interval.days()]
    return f"ds={days[0]}" if len(days) == 1 else f"ds={days[0]}_to_{days[-1]}"


def main() -> None:
    try:
        app(prog_name="python -m expectations")
    except TrailguardError as error:
        typer.echo(error, err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
