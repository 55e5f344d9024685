"""A fold with counterfeits in the place of anomalous users, so that whatever learns from both can learn from good ones.

The counterfeits decide when training stops, which settings are taken and how a blend is weighed, too: no label does.
"""

import numpy as np
import pyarrow as pa

from ml.comparison.material import Material
from ml.comparison.slices import Slice
from ml.sequences.counterfeits import make_counterfeits
from ml.sequences.sequences import Sequences


def forge(material: Material, seed: int, kinds: tuple[str, ...] | None = None) -> Material:
    """The same good users with the same features; anomalous are counterfeits of them, as many in each slice.

    kinds: of counterfeits; absent, all.
    """
    rng = np.random.default_rng(seed)
    training, validation = (
        _forge(part, material.window, rng, kinds) for part in (material.fold.training, material.fold.validation)
    )
    return material.learning_from(training=training, validation=validation)


def keep_good(material: Material) -> Material:
    """The same good users with the same features, and nobody else to learn from."""
    training, validation = (part.keep(part.labels == 0) for part in (material.fold.training, material.fold.validation))
    return material.learning_from(training=training, validation=validation)


def _forge(known: Slice, window: int, rng: np.random.Generator, kinds: tuple[str, ...] | None) -> Slice:
    good = known.keep(known.labels == 0)
    counterfeits = make_counterfeits(good.sequences, window, rng, kinds)
    labels = pa.array(np.ones(len(counterfeits), np.int8))
    users = pa.table({"user_id": counterfeits.user_ids, "label": labels})
    return Slice(
        pa.concat_tables([good.users, users], promote_options="default"),
        Sequences.concat([good.sequences, counterfeits]),
    )
