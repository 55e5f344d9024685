"""What the flags of a run must be before PostgreSQL is asked; its own constraints say the rest."""

import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.flags import ScoringRun, State
from ml.errors import TrailguardError


class FlagsMalformed(TrailguardError):
    """A table of flags does not have the columns of its contract.

    ml.contracts.flags has them: FLAG_SCHEMA for users, EVENT_FLAG_SCHEMA for events.
    """


class FlagsContradictRun(TrailguardError):
    """Flags say something else than the run they are published with."""


def check_flags(flags: pa.Table, schema: pa.Schema, run: ScoringRun) -> pa.Table:
    """The flags in the schema's own columns. Raises FlagsMalformed, FlagsContradictRun."""
    missing = [name for name in schema.names if name not in flags.column_names]
    if missing:
        raise FlagsMalformed(interval=run.interval, missing=", ".join(missing))
    try:
        rows = flags.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise FlagsMalformed(interval=run.interval, said=error) from error
    _require(rows, {"interval_start": {run.interval.start}, "interval_end": {run.interval.end}}, run)
    _require(rows, {"state": {State.ACTIVE, State.HOLDOUT, State.SHADOW}}, run)
    acting = {"model_name": run.model_name, "model_version": run.model_version, "threshold_id": run.threshold_id}
    own = rows.select([*acting, "threshold"])
    is_shadow = pc.equal(rows["state"], State.SHADOW)
    if pc.any(is_shadow).as_py():  # else the copy would be for nothing
        own = own.filter(pc.invert(is_shadow))
    _require(own, {name: {fact} for name, fact in acting.items()} | {"threshold": {run.threshold}}, run)
    return rows


def _require(rows: pa.Table, allowed: dict[str, set], run: ScoringRun) -> None:
    for column, values in allowed.items():
        others = set(pc.unique(rows[column]).to_pylist()) - values
        if others:
            found = ", ".join(sorted(map(str, others))[:3])
            raise FlagsContradictRun(
                interval=run.interval, column=column, found=found, expected=" or ".join(sorted(map(str, values)))
            )
