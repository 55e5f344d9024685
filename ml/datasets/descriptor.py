"""The dataset descriptor: a YAML file that maps someone's raw files to the event and label contracts."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Self

import pyarrow as pa
from pydantic import Field, StringConstraints, field_validator, model_validator

from ml.contracts.events import EVENT_SCHEMA, Kind, event_schema
from ml.contracts.intervals import EARLIEST, LATEST
from ml.contracts.lake import DERIVED
from ml.datasets.columns import (
    Days,
    DeclaredExtra,
    LabelledEvent,
    Number,
    NumberColumn,
    Observed,
    Strict,
    Text,
    Time,
    Verdict,
)
from ml.datasets.file_pattern import FilePattern
from ml.datasets.yaml_lines import load_validated
from ml.errors import ExitCode, TrailguardError

SHIPPED = Path(__file__).parent
_RESERVED = frozenset({*EVENT_SCHEMA.names, *(field.name for field in DERIVED), "ds", "label"})
Day = Annotated[date, Field(ge=EARLIEST.date(), le=LATEST.date())]
ExtraName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class DescriptorInvalid(TrailguardError):
    """A dataset descriptor is wrong.

    Mend it at the line and column named above; ml/datasets/descriptor.py lists every key.
    """

    exit_code = ExitCode.USAGE


class EventColumns(Strict):
    """event_id: derived from the row's content when absent."""

    event_id: Text | None = None
    user_id: Text
    event_time: Time
    event_type: Text
    item_id: Text | None = None
    session_id: Text | None = None
    amount: Number | None = None
    channel: Text | None = None


class Events(Strict):
    """files: a glob relative to the dataset's folder; %Y %m %d %H in it say which period a file holds."""

    files: FilePattern
    columns: EventColumns
    extras: dict[ExtraName, DeclaredExtra] = Field(default_factory=dict)

    @field_validator("extras")
    @classmethod
    def free_names(cls, extras: dict) -> dict:
        if taken := sorted(_RESERVED & set(extras)):
            raise ValueError(f"{taken[0]!r} is a name of the contract's own")
        return extras


class LabelColumns(Strict):
    """event_id: absent where labels name users. user_id: that of the event where labels stand in the events files.

    kind: of label 1; label 0 has none. confidence: 1 when absent. source: the dataset's name when absent.
    """

    user_id: Text | None = None
    event_id: LabelledEvent | None = None
    label: Verdict
    kind: Text
    observed_at: Observed
    confidence: Number | None = None
    source: Text | None = None

    @field_validator("confidence")
    @classmethod
    def share(cls, confidence: NumberColumn | None) -> NumberColumn | None:
        if confidence and confidence.value is not None and not 0 < confidence.value <= 1:
            raise ValueError("a confidence lies in (0, 1]")
        return confidence


class Labels(Strict):
    """files: absent where the labels stand in the events files; rows with an empty label cell then carry none."""

    files: FilePattern | None = None
    columns: LabelColumns


class Demo(Strict):
    """What `make demo` does with the dataset: load from history_start, train as of as_of, score the days after it.

    history_end: the day after the files' last, up to which labels mature.
    precision_floor, alert_budget: what the threshold must promise, see ml/settings.py.
    """

    history_start: Day
    as_of: Day
    score_days: Annotated[Days, Field(ge=1)]
    history_end: Day
    precision_floor: Annotated[float, Field(gt=0, lt=1)] = 0.9
    alert_budget: Annotated[float, Field(gt=0, le=1)] = 0.2

    @model_validator(mode="after")
    def in_order(self) -> Self:
        scored = timedelta(days=self.score_days)
        if not (self.history_start < self.as_of and scored <= self.history_end - self.as_of):
            raise ValueError("history_start, as_of, the scored days and history_end must follow each other")
        return self


class Declaration(Strict):
    """The YAML document."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    events: Events
    labels: Labels | None = None
    label_delay_days: Days
    demo: Demo | None = None

    @model_validator(mode="after")
    def labels_fit_events(self) -> Self:
        if self.labels is None:
            return self
        columns, own_files = self.labels.columns, self.labels.files is not None
        if own_files and columns.user_id is None:
            raise ValueError("labels.columns.user_id is missing")
        if own_files and columns.event_id and columns.event_id.derived:
            raise ValueError("labels.columns.event_id can be derived only where the labels stand in the events files")
        leaking = {extra.column or name for name, extra in self.events.extras.items()} & {columns.label.column}
        if leaking and not own_files:
            raise ValueError(f"the extra column {leaking.pop()!r} is the label itself: it would leak into the model")
        return self


class Descriptor(Declaration):
    """A declaration with its place. folder: where its files lie, None until someone says."""

    path: Path
    folder: Path | None

    @property
    def extras(self) -> dict[str, Kind]:
        """Declared extra columns in their declared order."""
        return {name: extra.kind for name, extra in self.events.extras.items()}

    @property
    def event_schema(self) -> pa.Schema:
        return event_schema(self.extras)


def shipped_names() -> list[str]:
    """Names of the descriptors that come with Trailguard."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_descriptor(reference: str | Path, folder: Path | None = None) -> Descriptor:
    """Reads a descriptor by its shipped name or its path.

    folder: where the data files lie; absent, the folder of a descriptor given by path, and unknown for a shipped one.
    Raises DescriptorInvalid naming file, line and column.
    """
    if str(reference) in shipped_names():
        return _load(SHIPPED / f"{reference}.yaml", folder)
    path = Path(reference)
    return _load(path, folder or path.parent)


def _load(path: Path, folder: Path | None) -> Descriptor:
    declaration = load_validated(path, Declaration, DescriptorInvalid)
    return Descriptor.model_construct(**dict(declaration), path=path, folder=folder)
