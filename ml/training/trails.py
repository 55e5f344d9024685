"""What of a snapshot is learned from."""

from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from ml.training.slices import LEARNED
from ml.training.snapshot import Snapshot
from ml.training.steps import both_ends


def read_trails(snapshot: Snapshot) -> list[Sequences]:
    """Both ends of the trails of the train and the validation slice."""
    return [both_ends(snapshot.slice(name), snapshot.window) for name in LEARNED]


def fit_featurizer(snapshot: Snapshot) -> Featurizer:
    """Learned from the train slice."""
    sequences = both_ends(snapshot.slice("train"), snapshot.window)
    return Featurizer.fit(sequences, extras=snapshot.extras, window=snapshot.window, record=snapshot.record)
