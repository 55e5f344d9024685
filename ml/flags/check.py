"""What the flags of a run must be before PostgreSQL is asked; its own constraints say the rest."""

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # before Python 3.12 pydantic takes no other

from ml.contracts.flags import ScoringRun, State
from ml.errors import TrailguardError


class FlagsMalformed(TrailguardError):
    """A table of flags does not have the columns of its contract.

    ml.contracts.flags has them: FLAG_SCHEMA for users, EVENT_FLAG_SCHEMA for events.
    """


class ReasonMalformed(TrailguardError):
    """A flag's reasons are not a JSON list of objects with code, contribution (a number), value and typical.

    Nothing of the flags was published.
    """


class FlagsContradictRun(TrailguardError):
    """Flags say something else than the run they are published with."""


class _Reason(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True)
    code: Annotated[str, Field(min_length=1)]
    contribution: float
    value: Any
    typical: Any


_REASONS = TypeAdapter(list[_Reason])


def check_reasons(flags: pa.Table) -> None:
    """Raises ReasonMalformed, naming the first user whose reasons are not what the contract says."""
    for row, reasons in enumerate(flags["reason_codes"].to_pylist()):
        try:
            _REASONS.validate_json(reasons)
        except ValidationError as error:
            first = error.errors()[0]
            user = flags["user_id"][row].as_py()
            raise ReasonMalformed(user_id=user, at=list(first["loc"]), said=first["msg"]) from None


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
    _require(rows, {"state": {State.ACTIVE, State.SHADOW}}, run)
    acting = {"model_name": run.model_name, "model_version": run.model_version, "threshold_id": run.threshold_id}
    active = rows.select([*acting, "threshold"]).filter(pc.equal(rows["state"], State.ACTIVE))
    _require(active, {name: {fact} for name, fact in acting.items()} | {"threshold": {run.threshold}}, run)
    return rows


def _require(rows: pa.Table, allowed: dict[str, set], run: ScoringRun) -> None:
    for column, values in allowed.items():
        others = set(pc.unique(rows[column]).to_pylist()) - values
        if others:
            found = ", ".join(sorted(map(str, others))[:3])
            raise FlagsContradictRun(
                interval=run.interval, column=column, found=found, expected=" or ".join(sorted(map(str, values)))
            )
