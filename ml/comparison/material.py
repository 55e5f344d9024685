"""What every contender of a fold is given: the same users, the same features, the same moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ml.comparison.controls import Control
from ml.comparison.folds import Fold, Slice
from ml.contracts.events import Kind
from ml.evaluation.views import cut_views, last_targets
from ml.sequences.features import Featurizer, Steps
from ml.sequences.moments import DAY
from ml.sequences.sequences import Sequences
from ml.training.steps import TargetedSteps, both_ends, targeted_steps

Views = dict[str, tuple[Steps, np.ndarray]]  # view -> the steps in view, and the target of each user


@dataclass(frozen=True)
class Judged:
    """Test users in one view; users is the number of them.

    user_ids: string (users,). days: int32 (users,), of each user's last event in view, since 1970.
    targets: int8 (users,). steps: in view.
    """

    user_ids: pa.Array
    days: np.ndarray
    targets: np.ndarray
    steps: Steps


@dataclass(frozen=True)
class Material:
    """A fold as inputs. control: what is taken from every trail, after it was cut; None for nothing."""

    fold: Fold
    extras: Mapping[str, Kind]
    window: int
    prefixes: tuple[int | str, ...]
    control: Control | None = None

    @cached_property
    def featurizer(self) -> Featurizer:
        trails = self._trails(self.fold.training)
        return Featurizer.fit(trails, extras=self.extras, window=self.window, record=self.fold.record)

    @cached_property
    def training(self) -> TargetedSteps:
        return targeted_steps(self._trails(self.fold.training), self.featurizer, self.prefixes)

    @cached_property
    def validation(self) -> TargetedSteps:
        return targeted_steps(self._trails(self.fold.validation), self.featurizer, self.prefixes)

    @cached_property
    def training_views(self) -> Views:
        return self._views(self.fold.training)

    @cached_property
    def validation_views(self) -> Views:
        return self._views(self.fold.validation)

    @cached_property
    def test_views(self) -> dict[str, Judged]:
        return {
            view: Judged(cut.user_ids, _days(cut), last_targets(cut), self.featurizer.transform(cut))
            for view, cut in self._cut(self.fold.test).items()
        }

    def _trails(self, known: Slice) -> Sequences:
        """What a sequence model is fitted to. A control changes each cut by itself, so each is one to learn from."""
        if self.control is None:
            return both_ends(known.sequences, self.window)
        return Sequences.concat(cut.renamed(view) for view, cut in self._cut(known).items())

    def _cut(self, known: Slice) -> dict[str, Sequences]:
        views = cut_views(known.sequences, self.window, self.prefixes)
        return {view: self.control(cut) if self.control else cut for view, cut in views.items()}

    def _views(self, known: Slice) -> Views:
        return {view: (self.featurizer.transform(cut), last_targets(cut)) for view, cut in self._cut(known).items()}


def _days(cut: Sequences) -> np.ndarray:
    return (cut.events["event_time"].cast(pa.int64()).to_numpy()[cut.last_rows] // DAY).astype(np.int32)
