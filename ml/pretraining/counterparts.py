"""Which of one data set's inputs is which of another's, under a mapping."""

from dataclasses import dataclass

import numpy as np

from ml.contracts.events import Kind
from ml.pretraining.mapping import Mapping, columns_of
from ml.sequences.features import PADDING, UNKNOWN, Featurizer

SUFFIXES = {  # of the numbers that are made of a column
    Kind.NUMERIC: ("", "_mean", "_std", "_max"),
    Kind.TEXT: ("_length", "_length_mean", "_repeated", "_repeated_share"),
}


@dataclass(frozen=True)
class Counterparts:
    """mine: of the data set that is mapped. theirs: of the one that it is mapped to."""

    mine: Featurizer
    theirs: Featurizer
    mapping: Mapping

    def column(self, name: str) -> str | None:
        """A column of the same kind."""
        there = self.mapping.column(name)
        return there if columns_of(self.theirs).get(there or "") is columns_of(self.mine)[name] else None

    def numbers(self) -> dict[str, str]:
        """Each number of mine that has a counterpart -> its name there."""
        names: dict[str, str | None] = {name: name for name in self.mine.means}
        for column, kind in columns_of(self.mine).items():
            there = self.column(column)
            names |= {f"{column}{suffix}": there and f"{there}{suffix}" for suffix in SUFFIXES.get(kind, ())}
        for column, value in self.mine.shares:
            there, other = self.column(column), self.mapping.value(column, value)
            names[share_name(column, value)] = share_name(there, other) if there and other else None
        names |= {f"{name}_unknown": names[name] and f"{names[name]}_unknown" for name in self.mine.indicators}
        known = set(self.theirs.numeric_names)
        return {name: names[name] for name in self.mine.numeric_names if names[name] in known}

    def codes(self, column: str) -> tuple[str, np.ndarray] | None:
        """A categorical column's counterpart and, int64 (codes,), their code of each code of mine; None without one."""
        there, theirs = self.column(column), self.theirs
        if there not in theirs.categorical_names:
            return None
        if column not in self.mine.vocabularies:  # a text's buckets are the same everywhere
            return there, np.arange(theirs.vocabulary_sizes[theirs.categorical_names.index(there)])
        codes = {value: code for code, value in enumerate(theirs.vocabularies[there], start=UNKNOWN + 1)}
        values = (self.mapping.value(column, value) for value in self.mine.vocabularies[column])
        return there, np.array([PADDING, UNKNOWN, *(codes.get(value, UNKNOWN) for value in values)])

    def absent(self) -> dict[str, float]:
        """Each number of theirs without a counterpart -> what a model reads where there is no such thing."""
        found = set(self.numbers().values())
        shares = {share_name(*pair) for pair in self.theirs.shares}
        values = {name: self.theirs.scaled(name, 0.0) if name in shares else 0.0 for name in self.theirs.means}
        values |= {f"{name}_unknown": float(name not in found) for name in self.theirs.indicators}
        return {name: value for name, value in values.items() if name not in found}


def share_name(column: str, value: str) -> str:
    """Of the running share of a categorical value."""
    return f"{column}_share={value}"
