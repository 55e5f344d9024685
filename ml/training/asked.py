"""What boosters are fitted to: a row for each moment at which a score is asked for, or for each user."""

import numpy as np

from ml.evaluation.views import last_targets
from ml.models.boosting import Table
from ml.models.columns import baseline_columns, trail_columns
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from ml.training.batches import OpenedDays
from ml.training.steps import TargetedSteps, times_asked


def asked_table(sequences: Sequences, data: TargetedSteps, featurizer: Featurizer) -> Table:
    """After 3, 5 and 10 events and after the last one, as it looked then, and at each day's end; weighed as for
    networks.

    sequences: with `target`, as in a snapshot. data: of the same, from `targeted_steps`.
    """
    opened, closed = np.flatnonzero(times_asked(sequences)), np.flatnonzero(data.closes_day)
    columns = [trail_columns(data.steps, rows, featurizer) for rows in (opened, closed)]
    OpenedDays(featurizer).apply(columns[0][:, : data.steps.numeric.shape[1]], data.closes_day[opened])
    return Table(
        np.concatenate(columns),
        data.targets[np.concatenate([opened, closed])],
        np.concatenate([data.open_weights[opened], data.closed_weights[closed]]),
    )


def last_table(cut: Sequences, featurizer: Featurizer) -> Table:
    """Each user at their last event in view. cut: with `target`, one of `cut_views`."""
    return Table(baseline_columns(featurizer.transform(cut), featurizer), last_targets(cut))
