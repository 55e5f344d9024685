"""The mapping: a YAML file that says what the columns and values of a data set are called in another, on which a
backbone was pre-trained."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, field_validator

from ml.contracts.events import Kind
from ml.datasets.columns import Name, Strict
from ml.datasets.yaml_lines import load_validated, read_yaml
from ml.errors import ExitCode, TrailguardError
from ml.sequences.features import Featurizer

CONTRACT = {"event_type": Kind.CATEGORICAL, "channel": Kind.CATEGORICAL, "amount": Kind.NUMERIC}


class MappingInvalid(TrailguardError):
    """A mapping between two data sets is wrong.

    Mend it at the line and column named above; ml/pretraining/mapping.py lists every key.
    """

    exit_code = ExitCode.USAGE


class Mapping(Strict):
    """The YAML document. What it does not name is called the same in both data sets.

    columns: column of this data set -> that of the other, or null where it has none: extras, amount, channel.
    values: categorical column of this data set -> its values -> the other's, or null.
    """

    columns: dict[Name, Name | None] = Field(default_factory=dict)
    values: dict[Name, dict[Name, Name | None]] = Field(default_factory=dict)

    @field_validator("columns")
    @classmethod
    def one_to_one(cls, columns: dict[str, str | None]) -> dict[str, str | None]:
        given = [name for name in columns.values() if name is not None]
        twice = sorted({name for name in given if given.count(name) > 1})
        if twice:
            raise ValueError(f"two columns cannot both be {', '.join(twice)}")
        return columns

    def column(self, name: str) -> str | None:
        """The other's; None where it has none."""
        taken = name in self.columns.values() and name not in self.columns
        return None if taken else self.columns.get(name, name)

    def value(self, column: str, value: str) -> str | None:
        """The other's; None where it has none."""
        return self.values.get(column, {}).get(value, value)


def load_mapping(path: Path, mine: Featurizer, theirs: Featurizer) -> Mapping:
    """Reads a mapping and holds it to both data sets. mine: of the data set that is mapped. theirs: the backbone's.

    Raises MappingInvalid naming file, line and column, and the key.
    """
    mapping = load_validated(path, Mapping, MappingInvalid)
    wrong = [*_check_columns(mapping, mine, theirs), *_check_values(mapping, mine, theirs)]
    for location, problem in wrong:
        raise MappingInvalid(where=read_yaml(path).where(location), key=".".join(location), problem=problem)
    return mapping


def columns_of(featurizer: Featurizer) -> dict[str, Kind]:
    """What can be mapped."""
    return CONTRACT | featurizer.extras


def _check_columns(mapping: Mapping, mine: Featurizer, theirs: Featurizer) -> Iterator[tuple[list[str], str]]:
    here, there = columns_of(mine), columns_of(theirs)
    for name, other in mapping.columns.items():
        location = ["columns", name]
        if name not in here:
            yield location, f"this data set has no column of that name but {', '.join(here)}"
        elif other is not None and other not in there:
            yield location, f"the backbone has seen no column {other} but {', '.join(there)}"
        elif other is not None and here[name] is not there[other]:
            yield location, f"a {here[name]} column cannot be {other}, which is {there[other]}"


def _check_values(mapping: Mapping, mine: Featurizer, theirs: Featurizer) -> Iterator[tuple[list[str], str]]:
    here = columns_of(mine)
    for name, values in mapping.values.items():
        if here.get(name) is not Kind.CATEGORICAL:
            yield ["values", name], "this data set has no categorical column of that name"
            continue
        known = theirs.vocabularies.get(mapping.column(name) or "", [])
        for value, other in values.items():
            if other is not None and other not in known:
                yield ["values", name, value], f"the backbone knows no value {other} but {', '.join(known) or 'none'}"
