"""Writes what both models say of held-out users, for calibration, threshold and evaluation to read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.evaluation.heldout import FILE, HELDOUT_SCHEMA
from ml.evaluation.views import DAY, cut_views
from ml.files import new_file
from ml.models.baseline import Baseline
from ml.models.columns import baseline_columns
from ml.sequences.features import Featurizer, Steps
from ml.sequences.sequences import Sequences
from ml.training.snapshot import Snapshot

HELD_OUT = ("validation", "calibration", "threshold", "test")


def write_held_out(
    folder: Path,
    snapshot: Snapshot,
    logits: Callable[[Steps], np.ndarray],
    baseline: Baseline,
    featurizer: Featurizer,
) -> None:
    """See ml.evaluation.heldout. logits: the model, Steps -> float32 (events,)."""
    tables = []
    for name in HELD_OUT:
        sequences = snapshot.slice(name)
        for view, cut in cut_views(sequences, snapshot.window).items():
            steps = featurizer.transform(cut)
            scores = baseline.predict(view, baseline_columns(steps, featurizer))
            tables.append(_rows(cut, cut.last_rows, name, view, logits(steps), scores))
        whole = sequences.first(snapshot.window)
        days = np.flatnonzero(whole.events["closes_day"].to_numpy())
        tables.append(_rows(whole, days, name, DAY, logits(featurizer.transform(whole)), None))
    with new_file(folder / FILE) as unfinished:
        pq.write_table(pa.concat_tables(tables), unfinished)


def _rows(
    sequences: Sequences, rows: np.ndarray, name: str, view: str, logits: np.ndarray, scores: np.ndarray | None
) -> pa.Table:
    events = sequences.events.select(["user_id", "ordinal", "target"]).take(pa.array(rows))
    columns = {
        "user_id": events["user_id"],
        "slice": [name] * len(rows),
        "view": [view] * len(rows),
        "events": events["ordinal"],
        "target": events["target"],
        "logit": logits[rows],
        "baseline": pa.nulls(len(rows), pa.float64()) if scores is None else scores,
    }
    return pa.table(columns, schema=HELDOUT_SCHEMA)
