"""What every contender of a fold is given: the same users, the same features, the same moments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from ml.comparison.controls import Control
from ml.comparison.folds import Fold
from ml.comparison.questions import Question
from ml.comparison.slices import EventSlice, Slice
from ml.contracts.events import Kind
from ml.models.boosting import Table
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences
from ml.training.steps import TargetedSteps


@dataclass(frozen=True)
class Asked:
    """Moments at which a score is asked for.

    trails, steps: the trails, as events and as inputs. rows: int64 (asked,), the steps asked about. columns: float32
    (asked, columns), what a table knows then. named: user_id, event_id, event_time, target and kind of each.
    """

    trails: Sequences
    steps: Steps
    rows: np.ndarray
    columns: np.ndarray
    named: pa.Table

    @property
    def table(self) -> Table:
        """What a table model learns from."""
        return Table(self.columns, self.targets)

    @property
    def targets(self) -> np.ndarray:
        """int8 (asked,)."""
        return self.named["target"].to_numpy()


@dataclass(frozen=True, eq=False)
class Material:
    """A fold as inputs.

    control: what is taken from every trail, after it was cut; None for nothing. given: a featurizer that was fitted to
    another fold's training; None for this one's.
    """

    fold: Fold
    question: Question
    extras: Mapping[str, Kind]
    window: int
    control: Control | None = None
    given: Featurizer | None = None

    @cached_property
    def featurizer(self) -> Featurizer:
        if self.given:
            return self.given
        trails = self.question.trails(self.fold.training, self.control)
        return Featurizer.fit(trails, extras=self.extras, window=self.window, record=self.fold.record)

    @cached_property
    def whole(self) -> "Material":
        """The same features, with the validation users to learn from as well."""
        return self.learning_from(training=self.fold.whole)

    def learning_from(self, **slices: Slice | EventSlice) -> "Material":
        """The same features, with other slices (`training`, `validation`) of the fold."""
        return replace(self, fold=replace(self.fold, **slices), given=self.featurizer)

    def look_again(self, asked: Asked) -> Asked:
        """The same moments with this material's features."""
        steps = self.featurizer.transform(asked.trails)
        return replace(asked, steps=steps, columns=self.question.columns(steps, asked.rows, self.featurizer))

    @cached_property
    def training(self) -> TargetedSteps:
        return self._target(self.fold.training)

    @cached_property
    def validation(self) -> TargetedSteps:
        return self._target(self.fold.validation)

    @cached_property
    def training_views(self) -> dict[str, Asked]:
        return self._views(self.fold.training)

    @cached_property
    def validation_views(self) -> dict[str, Asked]:
        return self._views(self.fold.validation)

    @cached_property
    def test_views(self) -> dict[str, Asked]:
        return self._views(self.fold.test)

    def _target(self, known: Slice | EventSlice) -> TargetedSteps:
        return self.question.target(self.question.trails(known, self.control), self.featurizer)

    def _views(self, known: Slice | EventSlice) -> dict[str, Asked]:
        found = {}
        for view, cut in self.question.cut(known).items():
            left = self.control(cut) if self.control else cut
            rows, steps = self.question.rows(left), self.featurizer.transform(left)
            columns = self.question.columns(steps, rows, self.featurizer)
            named = cut.events.select(["user_id", "event_id", "event_time", "target"]).take(pa.array(rows))
            found[view] = Asked(
                left, steps, rows, columns, named.append_column("kind", self.question.kinds(known, cut, rows))
            )
        return found
