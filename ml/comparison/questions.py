"""What a comparison asks of its models: which users are anomalous after so many events, or which single events are."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.controls import Control
from ml.comparison.protocol import Protocol as ComparisonProtocol
from ml.comparison.slices import JUDGED, KIND, Slice
from ml.evaluation.views import cut_views
from ml.models.columns import baseline_columns, event_columns
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences
from ml.training.steps import TargetedSteps, both_ends, targeted_steps, weighed_steps

EVENT = "event"  # the one view of events


class Question(Protocol):
    """views: the names of the moments at which scores are asked for."""

    views: tuple[str, ...]

    def cut(self, known: Slice) -> dict[str, Sequences]:
        """view -> the trails as far as they are known then."""

    def trails(self, known: Slice, control: Control | None) -> Sequences:
        """What a sequence model is fitted to."""

    def target(self, trails: Sequences, featurizer: Featurizer) -> TargetedSteps:
        """What it should say there."""

    def rows(self, cut: Sequences) -> np.ndarray:
        """int64 (asked,): the events of a view that a score is asked for."""

    def columns(self, steps: Steps, rows: np.ndarray, featurizer: Featurizer) -> np.ndarray:
        """float32 (asked, columns): what a table knows of each."""

    def kinds(self, known: Slice, cut: Sequences, rows: np.ndarray) -> pa.Array:
        """string (asked,): what the labels call each, absent for good ones."""


@dataclass(frozen=True)
class AskUsers:
    """Whether a user is anomalous, right after so many events or by the newest window."""

    window: int
    prefixes: tuple[int | str, ...]

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(map(str, self.prefixes))

    def cut(self, known: Slice) -> dict[str, Sequences]:
        return cut_views(known.sequences, self.window, self.prefixes)

    def trails(self, known: Slice, control: Control | None) -> Sequences:
        """A control changes each cut trail by itself, so each is one to learn from."""
        if control is None:
            return both_ends(known.sequences, self.window)
        return Sequences.concat(control(cut).renamed(view) for view, cut in self.cut(known).items())

    def target(self, trails: Sequences, featurizer: Featurizer) -> TargetedSteps:
        return targeted_steps(trails, featurizer, self.prefixes)

    def rows(self, cut: Sequences) -> np.ndarray:
        return cut.last_rows

    def columns(self, steps: Steps, rows: np.ndarray, featurizer: Featurizer) -> np.ndarray:
        return baseline_columns(steps, featurizer)

    def kinds(self, known: Slice, cut: Sequences, rows: np.ndarray) -> pa.Array:
        users = pc.index_in(cut.user_ids, value_set=known.users["user_id"].combine_chunks())
        return known.users[KIND].take(users).combine_chunks()


@dataclass(frozen=True)
class AskEvents:
    """Whether an event is anomalous, given what its user did before it."""

    views: tuple[str, ...] = (EVENT,)

    def cut(self, known: Slice) -> dict[str, Sequences]:
        return {EVENT: known.sequences}

    def trails(self, known: Slice, control: Control | None) -> Sequences:
        return control(known.sequences) if control else known.sequences

    def target(self, trails: Sequences, featurizer: Featurizer) -> TargetedSteps:
        return weighed_steps(trails, featurizer, trails.events[JUDGED].to_numpy())

    def rows(self, cut: Sequences) -> np.ndarray:
        return np.flatnonzero(cut.events[JUDGED].to_numpy())

    def columns(self, steps: Steps, rows: np.ndarray, featurizer: Featurizer) -> np.ndarray:
        return event_columns(steps, rows, featurizer)

    def kinds(self, known: Slice, cut: Sequences, rows: np.ndarray) -> pa.Array:
        return cut.events[KIND].take(pa.array(rows)).combine_chunks()


def ask(protocol: ComparisonProtocol) -> Question:
    return AskEvents() if protocol.predict == "events" else AskUsers(protocol.window, protocol.prefixes)
