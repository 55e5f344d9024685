"""Which of a file's columns a descriptor maps."""

from ml.contracts.events import Kind
from ml.datasets.columns import Strict
from ml.datasets.descriptor import Descriptor


def event_columns(descriptor: Descriptor) -> frozenset[str]:
    """The columns that an event is mapped from."""
    extras = descriptor.events.extras.items()
    return _named(descriptor.events.columns) | {extra.column or name for name, extra in extras}


def label_columns(descriptor: Descriptor) -> frozenset[str]:
    """The columns that a label is mapped from; those of its event too, where both stand in one file."""
    columns = _named(descriptor.labels.columns)
    return columns if descriptor.labels.files else columns | event_columns(descriptor)


def one_line_columns(descriptor: Descriptor) -> frozenset[str]:
    """The columns whose values never hold a line break: all that are mapped but texts."""
    extras = descriptor.events.extras.items()
    texts = {extra.column or name for name, extra in extras if extra.kind is Kind.TEXT}
    labels = label_columns(descriptor) if descriptor.labels else frozenset()
    return (event_columns(descriptor) | labels) - texts


def user_columns(descriptor: Descriptor) -> frozenset[str]:
    """The columns that say whose an event or a label is."""
    specs = [descriptor.events.columns.user_id, descriptor.labels and descriptor.labels.columns.user_id]
    return frozenset(spec.column for spec in specs if spec and spec.column)


def contract_names(columns: Strict) -> dict[str, str]:
    """The file's column -> the contract's column that it fills."""
    specs = {name: getattr(columns, name) for name in type(columns).model_fields}
    return {spec.column: name for name, spec in specs.items() if spec is not None and spec.column is not None}


def _named(columns: Strict) -> frozenset[str]:
    return frozenset(contract_names(columns))
