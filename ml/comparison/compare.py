"""Runs a protocol: every model, seed and fold, and the controls."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from tqdm import tqdm

from ml.comparison.contenders import fit_models
from ml.comparison.controls import CONTROLS
from ml.comparison.fold import Fold
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.judge import judge
from ml.comparison.material import Material
from ml.comparison.protocol import Model, Protocol
from ml.comparison.questions import ask


@dataclass(frozen=True)
class Outcome:
    """folds: what was judged. predictions: PREDICTIONS of the models. controls: of the controls, named after them."""

    folds: list[Fold]
    predictions: pa.Table
    controls: pa.Table | None


def compare(history: History, protocol: Protocol) -> Outcome:
    """Raises TooFewJudged."""
    folds = cut_folds(history, protocol)
    models = list(dict.fromkeys([protocol.baseline, *protocol.models]))
    controls = list(CONTROLS) if protocol.controls else []
    fits = len(folds) * (len(models) * len(protocol.seeds) + len(controls))
    with tqdm(total=fits, desc="fit", unit="model", disable=None) as progress:
        predictions = pa.concat_tables(_judge_models(history, protocol, folds, models, progress))
        taken = list(_judge_controls(history, protocol, folds, controls, progress))
    return Outcome(folds, predictions, pa.concat_tables(taken) if taken else None)


def _judge_models(
    history: History, protocol: Protocol, folds: list[Fold], models: list[Model], progress: tqdm
) -> Iterator[pa.Table]:
    for fold in folds:
        material = Material(fold, ask(protocol), history.extras, protocol.window)
        for seed in protocol.seeds:
            for model, fitted in fit_models(material, models, seed):
                yield judge(fitted, material, model=model, seed=seed)
                progress.update()


def _judge_controls(
    history: History, protocol: Protocol, folds: list[Fold], controls: list[str], progress: tqdm
) -> Iterator[pa.Table]:
    for fold in folds:
        for name in controls:
            material = Material(fold, ask(protocol), history.extras, protocol.window, CONTROLS[name])
            *_, (_, fitted) = fit_models(material, [protocol.controls], protocol.seeds[0])
            yield judge(fitted, material, model=name, seed=protocol.seeds[0])
            progress.update()
