"""What a table knows of trails: one row of numbers for each moment at which a score is asked for.

The featurizer's columns at that step (which hold every running aggregate) and, of STEPS other steps, the columns that
belong to a single event; nan where there are fewer.
"""

import numpy as np

from ml.sequences.features import Featurizer, Steps

STEPS = 10


def baseline_columns(steps: Steps, featurizer: Featurizer) -> np.ndarray:
    """float32 (users, columns): the last step whole, then the first STEPS steps in part; no columns for steps that
    nobody has."""
    longest = min(STEPS, int(steps.lengths.max(initial=0)))
    return _first_columns(steps, steps.offsets[1:] - 1, longest, featurizer)


def trail_columns(steps: Steps, rows: np.ndarray, featurizer: Featurizer) -> np.ndarray:
    """float32 (rows, columns): the same of a trail that ends at each of these steps, as many columns for any trails.

    rows: int64, of the flat arrays. The first len(numeric_names) columns are the step's own of Steps.numeric.
    """
    return _first_columns(steps, rows, STEPS, featurizer)


def event_columns(steps: Steps, rows: np.ndarray, featurizer: Featurizer) -> np.ndarray:
    """float32 (rows, columns): each of these steps whole, then the STEPS before it in part, the newest first. rows:
    int64, of the flat arrays."""
    begins = _begins(steps, rows)
    others = [(rows - back, rows - back >= begins) for back in range(1, STEPS + 1)]
    return _columns(steps, rows, others, featurizer)


def _first_columns(steps: Steps, rows: np.ndarray, count: int, featurizer: Featurizer) -> np.ndarray:
    begins = _begins(steps, rows)
    others = [(begins + position, begins + position <= rows) for position in range(count)]
    return _columns(steps, rows, others, featurizer)


def _begins(steps: Steps, rows: np.ndarray) -> np.ndarray:
    """int64 (rows,): where the trail of each of these steps begins."""
    return steps.offsets[np.searchsorted(steps.offsets, rows, side="right") - 1]


def _columns(
    steps: Steps, rows: np.ndarray, others: list[tuple[np.ndarray, np.ndarray]], featurizer: Featurizer
) -> np.ndarray:
    """others: rows of other steps, and whether there is such a step."""
    single = featurizer.single_event_columns
    columns = [steps.numeric[rows], steps.categorical[rows]]
    for other, present in others:
        there = np.where(present, other, 0)
        step = np.concatenate([steps.numeric[there][:, single], steps.categorical[there]], axis=1)
        columns.append(np.where(present[:, None], step, np.nan))
    return np.concatenate(columns, axis=1, dtype=np.float32)
