"""The featurizer: sequences -> the model's inputs, with everything it must remember learned from training alone."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.events import Kind
from ml.contracts.lake import DERIVED
from ml.errors import TrailguardError
from ml.files import write_json
from ml.sequences.behaviour import SINGLE_EVENT, describe_steps
from ml.sequences.item_record import ItemRecord
from ml.sequences.ragged import Ragged
from ml.sequences.sequences import Sequences

VERSION = 2
FILE = "featurizer.json"
PADDING, UNKNOWN = 0, 1  # codes of every categorical input; known values follow
VOCABULARY = 64  # values remembered of a categorical column, the most frequent first
SHARES = 16  # of those, how many get a running share of their own at most
RARE = 5  # events: a value seen less often in training is unknown
TEXT_BUCKETS = 64
CLIP = 8.0  # standard deviations
AT_ONCE = 16_384  # events whose features are made at a time, so that they stay in a core's cache


class ColumnAbsent(TrailguardError):
    """The events lack a column that features are made of.

    Declare it in the dataset descriptor, unless the lake derives it by itself, and ingest the events again.
    """


@dataclass(frozen=True)
class Steps:
    """The model's inputs, flat.

    numeric: float32 (events, F), standardised, 0 where unknown.
    categorical: int32 (events, C), at least 1.
    offsets: int64 (users + 1,).
    """

    numeric: np.ndarray
    categorical: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Featurizer:
    """Turns sequences into Steps. Fitted on training sequences; the same afterwards for training and for scoring.

    extras: declared extra columns of the events.
    window: events kept of each user.
    vocabularies: categorical column -> its known values; the code of values[i] is i + 2.
    shares: (column, value) pairs that get a running share.
    means, scales: of each numeric feature in training. The keys, in this order, name Steps.numeric's columns but the
        last ones, which say where a feature was unknown.
    indicators: features with an "_unknown" column.
    record: which items anomalous users had touched.
    """

    extras: dict[str, Kind]
    window: int
    vocabularies: dict[str, list[str]]
    shares: list[tuple[str, str]]
    means: dict[str, float]
    scales: dict[str, float]
    indicators: list[str]
    record: ItemRecord = field(default_factory=ItemRecord.empty)

    @property
    def numeric_names(self) -> list[str]:
        """Names of Steps.numeric's columns."""
        return [*self.means, *(f"{name}_unknown" for name in self.indicators)]

    @property
    def categorical_names(self) -> list[str]:
        """Names of Steps.categorical's columns."""
        return [*self.vocabularies, *_texts(self.extras)]

    @property
    def single_event_names(self) -> list[str]:
        """Those of numeric_names that describe one event by itself rather than the trail so far."""
        return [name for name in self.numeric_names if name in SINGLE_EVENT or name in self.extras or name == "amount"]

    @property
    def single_event_columns(self) -> np.ndarray:
        """int64 (columns,): where they stand in Steps.numeric."""
        single = set(self.single_event_names)
        return np.flatnonzero([name in single for name in self.numeric_names])

    @property
    def vocabulary_sizes(self) -> tuple[int, ...]:
        """Codes of each categorical column, padding and unknown included."""
        known = [len(values) + 2 for values in self.vocabularies.values()]
        return (*known, *(TEXT_BUCKETS + 2 for _ in _texts(self.extras)))

    def scaled(self, name: str, value: float) -> float:
        """A natural value of a numeric feature as it stands in Steps.numeric."""
        return float(np.clip((value - self.means[name]) / self.scales[name], -CLIP, CLIP))

    @classmethod
    def fit(
        cls, sequences: Sequences, *, extras: Mapping[str, Kind], window: int, record: ItemRecord | None = None
    ) -> "Featurizer":
        """Learns vocabularies and scales; a feature that never varies in training is left out.

        record: of what was known when the training ended; absent, nothing is known of any item. Raises ColumnAbsent.
        """
        _check_columns(sequences.events, extras)
        record = record or ItemRecord.empty()
        sequences = record.attach(sequences)
        frequent = {name: _frequent(sequences.events[name]) for name in _categoricals(extras)}
        vocabularies = {name: values for name, values in frequent.items() if len(values) > 1 or name == "event_type"}
        shares = [(name, value) for name, values in vocabularies.items() for value in values[:SHARES]]
        spread = _spread(sequences, extras, vocabularies, shares)
        varying = [name for name, (known, _, std) in spread.items() if known and std > 1e-6]
        means = {name: spread[name][1] for name in varying}
        scales = {name: spread[name][2] for name in varying}
        events = sequences.events.num_rows
        indicators = [name for name in varying if name in _optional(extras) and spread[name][0] < events]
        return cls(dict(extras), window, vocabularies, shares, means, scales, indicators, record)

    def transform(self, sequences: Sequences) -> Steps:
        """The inputs of every event. Raises ColumnAbsent where the events lack a declared extra or a derived column."""
        _check_columns(sequences.events, self.extras)
        sequences, events = self.record.attach(sequences), sequences.events.num_rows
        numeric = np.empty((events, len(self.numeric_names)), np.float32)
        categorical = np.empty((events, len(self.categorical_names)), np.int32)
        done = 0
        for piece in sequences.pieces(AT_ONCE):
            rows = slice(done, done := done + piece.events.num_rows)
            self._fill(piece, numeric[rows], categorical[rows])
        return Steps(numeric, categorical, sequences.offsets)

    def _fill(self, sequences: Sequences, numeric: np.ndarray, categorical: np.ndarray) -> None:
        described, codes = _describe(sequences, self.extras, self.vocabularies, self.shares)
        values = np.empty((len(self.means), len(numeric)), np.float32)
        for index, (name, mean) in enumerate(self.means.items()):
            values[index] = described[name]
            values[index] -= np.float32(mean)
            values[index] /= np.float32(self.scales[name])
        np.clip(values, -CLIP, CLIP, out=values)
        np.copyto(values, 0.0, where=np.isnan(values))
        numeric[:, : len(values)] = values.T
        for index, name in enumerate(self.indicators, start=len(values)):
            numeric[:, index] = np.isnan(described[name])
        coded = [*codes.values(), *(_hash(sequences.events[name]) for name in _texts(self.extras))]
        for index, values in enumerate(coded):
            categorical[:, index] = values

    def save(self, folder: Path) -> None:
        """Writes featurizer.json and, beside it, the record."""
        self.record.save(folder)
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "record"}
        write_json(folder / FILE, {"version": VERSION, **told})

    @classmethod
    def load(cls, folder: Path) -> "Featurizer":
        """Reads what `save` wrote."""
        saved = json.loads((folder / FILE).read_text())
        saved.pop("version")
        saved["extras"] = {name: Kind(kind) for name, kind in saved["extras"].items()}
        saved["shares"] = [tuple(pair) for pair in saved["shares"]]
        return cls(**saved, record=ItemRecord.load(folder))


def _categoricals(extras: Mapping[str, Kind]) -> list[str]:
    return ["event_type", "channel", *(name for name, kind in extras.items() if kind is Kind.CATEGORICAL)]


def _optional(extras: Mapping[str, Kind]) -> set[str]:
    """Features of a single event, whose absence says something; an aggregate is absent only before its first value."""
    numbers = {name for name, kind in extras.items() if kind is Kind.NUMERIC}
    return {"gap", "item_visit", "item_gap", "amount", *numbers, *(f"{name}_length" for name in _texts(extras))}


def _texts(extras: Mapping[str, Kind]) -> list[str]:
    return [name for name, kind in extras.items() if kind is Kind.TEXT]


def _check_columns(events: pa.Table, extras: Mapping[str, Kind]) -> None:
    derived = [field.name for field in DERIVED if field.name != "user_bucket"]
    absent = [name for name in (*extras, *derived) if name not in events.column_names]
    if absent:
        raise ColumnAbsent(columns=absent)


def _frequent(column: pa.ChunkedArray) -> list[str]:
    """The values seen at least RARE times, the most frequent first, ties in alphabetical order."""
    counts = {entry["values"]: entry["counts"] for entry in column.drop_null().value_counts().to_pylist()}
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    return [value for value in ordered if counts[value] >= RARE][:VOCABULARY]


def _encode(column: pa.ChunkedArray, values: list[str]) -> np.ndarray:
    """int32 (events,): 1 for an absent or unknown value, i + 2 for values[i]."""
    index = pc.index_in(column, value_set=pa.array(values, pa.string()))
    return pc.fill_null(index, -1).to_numpy().astype(np.int32) + 2


def _hash(column: pa.ChunkedArray) -> np.ndarray:
    """int32 (events,): a text's bucket, the same on every machine; 1 where absent."""
    encoded = column.combine_chunks().dictionary_encode()
    buckets = [zlib.crc32(text.encode()) % TEXT_BUCKETS + 2 for text in encoded.dictionary.to_pylist()]
    return np.append(np.asarray(buckets, np.int32), np.int32(UNKNOWN))[pc.fill_null(encoded.indices, -1).to_numpy()]


def _describe(
    sequences: Sequences,
    extras: Mapping[str, Kind],
    vocabularies: Mapping[str, list[str]],
    shares: list[tuple[str, str]],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The numeric features with the running share of each frequent categorical value, and each column's codes."""
    ragged = Ragged(sequences.offsets)
    codes = {name: _encode(sequences.events[name], values) for name, values in vocabularies.items()}
    described = describe_steps(sequences, extras)
    for name, value in shares:
        described[f"{name}_share={value}"] = ragged.share(codes[name] == vocabularies[name].index(value) + 2)
    return described, codes


def _spread(
    sequences: Sequences,
    extras: Mapping[str, Kind],
    vocabularies: Mapping[str, list[str]],
    shares: list[tuple[str, str]],
) -> dict[str, tuple[int, float, float]]:
    """Each numeric feature's number of known values, their mean and their standard deviation."""
    totals: dict[str, np.ndarray] = {}
    for piece in sequences.pieces(AT_ONCE):
        described, _ = _describe(piece, extras, vocabularies, shares)
        for name, values in described.items():
            known = values[~np.isnan(values)]
            sums = np.array([len(known), known.sum(), np.square(known).sum()])
            totals[name] = totals.get(name, 0.0) + sums
    spread = {}
    for name, (known, total, squares) in totals.items():
        mean = total / max(known, 1)
        spread[name] = (int(known), float(mean), float(np.sqrt(max(squares / max(known, 1) - mean * mean, 0.0))))
    return spread
