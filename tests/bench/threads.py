"""How scoring uses the cores: batches side by side on a thread each, beside one batch at a time on all of them.

This is where the choice that `ml.scoring.network` holds was tuned; the rows record it for a GRU and a Transformer.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console

from ml.models.bundle import LAST_STEP, PLACES
from ml.scoring.network import TOKENS
from ml.sequences.batches import pack_batches, pad
from ml.sequences.features import Steps
from tests.bench.inference import CONFIG, CORES, TRANSFORMER, both_ways, draw_steps, scoring_rate
from tests.bench.rows import Row, compare, rate

SIZES = (TOKENS, 4 * TOKENS, 16 * TOKENS)  # steps of a batch that all cores share


def measure(*, quick: bool) -> list[Row]:
    steps, few = draw_steps(6_000 if quick else 50_000), draw_steps(4_000)
    rows = []
    for config in (CONFIG, TRANSFORMER):
        with tempfile.TemporaryDirectory() as folder:
            network, _ = both_ways(config, Path(folder))
            session = open_on_all_cores(network.folder / LAST_STEP)
            tokens = max(SIZES, key=lambda size: shared_rate(session, few, size)())
            Console(stderr=True).print(f"sharing every batch, a {config.architecture} is fastest with {tokens} steps")
            ours, shared = scoring_rate(network, steps), shared_rate(session, steps, tokens)
            name = f"score_{config.architecture}_side_by_side_vs_shared"
            rows.append(compare(name, ours, shared, unit="users/s", repetitions=3))
    return rows


def open_on_all_cores(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def shared_rate(session: onnxruntime.InferenceSession, steps: Steps, tokens: int) -> Callable[[], float]:
    """Users per second with one batch at a time on every core."""
    last = steps.lengths - 1

    def score() -> None:
        for batch in pack_batches(steps.lengths, tokens=tokens):
            places = np.stack([last[batch.users], np.arange(len(batch.users))], axis=1)
            session.run(None, {**pad(steps, batch), PLACES: places})

    return lambda: rate(score, len(steps.lengths))
