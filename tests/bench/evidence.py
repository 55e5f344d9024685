"""What the rule of evidence notices: absurd trails, beside Mahalanobis distance at the same limit, and real users.

Mahalanobis distance with the covariance of O. Ledoit and M. Wolf, 2004, of the same inputs of the same users, and the
same share of validation users within its limit.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from sklearn.covariance import LedoitWolf

from ml.comparison.folds import cut_folds
from ml.comparison.history import read_history
from ml.comparison.material import Material
from ml.comparison.questions import ask
from ml.contracts.events import TIME
from ml.scoring.evidence import box_distance, inputs
from ml.sequences.moments import MOMENT_FIELDS, add_moments
from ml.sequences.sequences import Sequences
from ml.training.evidence import WITHIN, find_box, find_farthest
from ml.training.steps import TargetedSteps
from tests.bench.dataset import find_protocol, open_dataset
from tests.bench.rows import Row, alone, compare

Measure = Callable[[np.ndarray], np.ndarray]  # (rows, inputs) -> bool (rows,), whether each is too unlike training
FACTOR, BURST = 1000, 64


def measure(*, quick: bool) -> list[Row]:
    del quick  # it is
    with tempfile.TemporaryDirectory() as folder:
        descriptor = open_dataset(Path(folder))
        protocol = find_protocol(descriptor)
        history = read_history(descriptor, protocol, Path(folder) / "lake")
        (fold,) = cut_folds(history, protocol)
        material = Material(fold, ask(protocol), history.extras, protocol.window)
        box, mahalanobis = by_box(material), by_mahalanobis(material)
        later, targets = real_users(material)
        absurd = {name: last_inputs(material, made) for name, made in make_absurd(material).items()}
    found = {name: (box(rows).mean(), mahalanobis(rows).mean()) for name, rows in absurd.items()}
    for name, (ours, theirs) in found.items():
        Console(stderr=True).print(f"{name}: noticed {ours:.3f}, by Mahalanobis distance {theirs:.3f}")
    name = f"evidence_{descriptor.name.replace('-', '_')}"
    ours, theirs = (iter([float(share)]).__next__ for share in np.mean(list(found.values()), axis=0))
    return [
        compare(f"{name}_absurd_noticed_vs_mahalanobis", ours, theirs, unit="share", repetitions=1),
        *(
            alone(f"{name}_later_{kind}_users_too_unlike", [float(box(later[targets == label]).mean())], unit="share")
            for label, kind in ((0, "good"), (1, "anomalous"))
        ),
    ]


def by_box(material: Material) -> Measure:
    lowest, highest = find_box(material.training, material.featurizer)
    farthest = find_farthest(material.validation, lowest, highest)
    return lambda rows: box_distance(rows, lowest, highest) > farthest


def by_mahalanobis(material: Material) -> Measure:
    fitted = LedoitWolf().fit(days(material.training))
    limit = np.quantile(fitted.mahalanobis(days(material.validation)), WITHIN)
    return lambda rows: fitted.mahalanobis(rows) > limit


def days(targeted: TargetedSteps) -> np.ndarray:
    return inputs(targeted.steps, np.flatnonzero(targeted.closes_day))


def real_users(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """The judged users' inputs, as their newest windows left them, and targets."""
    asked = material.test_views["all"]
    return inputs(asked.steps, asked.rows), asked.targets


def make_absurd(material: Material) -> dict[str, Sequences]:
    """The judged users' trails, made a thousand times as fast or as slow or their numbers as large, or of types that
    nobody knows, or one event of theirs again and again within a second."""
    real = material.fold.test.sequences.newest(material.window)
    events, time = real.events, real.events["event_time"].cast(pa.int64()).to_numpy()
    began = time[real.offsets[:-1]][real.row_users]
    rows = np.repeat(real.last_rows, BURST)
    burst = Sequences.of(events.take(pa.array(rows)))
    moments = time[rows] + np.tile(np.arange(BURST) * 1_000_000 // BURST, len(real))
    large = events
    for field in events.schema:
        if pa.types.is_floating(field.type):
            large = put(large, field.name, pc.multiply(events[field.name], FACTOR))
    return {
        "a thousand times as fast": moved(real, began + (time - began) // FACTOR),
        "a thousand times as slow": moved(real, began + (time - began) * FACTOR),
        "numbers a thousand times as large": Sequences.of(large),
        "unknown types": Sequences.of(put(events, "event_type", pa.repeat("never seen", len(events)))),
        "64 events in a second": moved(burst, moments),
    }


def moved(trails: Sequences, time: np.ndarray) -> Sequences:
    """The same at other moments; how long the item's last other visitor is gone stays as it was."""
    later = pa.array(time - trails.events["event_time"].cast(pa.int64()).to_numpy())
    other = pc.add(trails.events["item_other_time"].cast(pa.int64()), later).cast(TIME)
    return Sequences.of(put(put(trails.events, "item_other_time", other), "event_time", pa.array(time).cast(TIME)))


def put(events: pa.Table, name: str, values: pa.Array) -> pa.Table:
    column = events.column_names.index(name)
    return events.set_column(column, events.schema.field(name), values.cast(events.schema.field(name).type))


def last_inputs(material: Material, made: Sequences) -> np.ndarray:
    """What a scoring run would compare them by, had they ended then."""
    names = {field.name for field in MOMENT_FIELDS} | {"target"}
    bare = Sequences.of(made.events.drop_columns([name for name in made.events.column_names if name in names]))
    ended = np.ones(len(bare), bool)
    trails = add_moments(bare, before=material.fold.as_of, window=material.window, keep="newest", ended=ended)
    steps = material.featurizer.transform(trails)
    return inputs(steps, steps.offsets[1:] - 1)
