"""What a typical good user's trail looks like, for reason codes."""

import numpy as np

from ml.sequences.features import UNKNOWN, Featurizer, Steps


def typical_features(featurizer: Featurizer, steps: Steps, targets: np.ndarray) -> dict[str, float | str | None]:
    """Feature -> its median over the steps of good users in its natural unit, or their most frequent value; None where
    that is unknown.

    targets: (events,), 1 where the user is anomalous.
    """
    good = targets == 0
    numeric = np.median(steps.numeric[good], axis=0)
    typical: dict[str, float | str | None] = {}
    for index, name in enumerate(featurizer.numeric_names):
        scale, mean = featurizer.scales.get(name, 1.0), featurizer.means.get(name, 0.0)
        typical[name] = round(float(numeric[index]) * scale + mean, 6)
    for index, name in enumerate(featurizer.categorical_names):
        code = int(np.bincount(steps.categorical[good, index]).argmax())
        typical[name] = (
            featurizer.vocabularies[name][code - 2] if code > UNKNOWN and name in featurizer.vocabularies else None
        )
    return typical
