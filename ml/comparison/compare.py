"""Runs a protocol: every model, seed and fold, and the controls."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from tqdm import tqdm

from ml.comparison.contenders import fit_models
from ml.comparison.controls import CONTROLS, Control
from ml.comparison.fold import Fold
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.judge import judge
from ml.comparison.material import Material
from ml.comparison.protocol import Model, Protocol
from ml.comparison.questions import ask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """folds: what was judged. predictions: PREDICTIONS of the models. controls: of the controls, named after them."""

    folds: list[Fold]
    predictions: pa.Table
    controls: pa.Table | None


def compare(history: History, protocol: Protocol) -> Outcome:
    """Raises TooFewJudged."""
    folds = cut_folds(history, protocol, protocol.seeds[0])
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
    for seed, material in _deal_material(history, protocol, folds):
        for model, trained in fit_models(material, models, seed, refit=protocol.refit):
            yield judge(trained, material, model=model, seed=seed)
            log.info("fold %s, seed %d: %s judged", material.fold.name, seed, model)
            progress.update()


def _deal_material(history: History, protocol: Protocol, folds: list[Fold]) -> Iterator[tuple[int, Material]]:
    """Every seed with every fold; a fold is the same for all seeds unless each is told other labels."""
    if protocol.spoils_labels:
        for seed in protocol.seeds:
            for fold in cut_folds(history, protocol, seed):
                yield seed, _material(history, protocol, fold)
        return
    for fold in folds:
        material = _material(history, protocol, fold)
        for seed in protocol.seeds:
            yield seed, material


def _material(history: History, protocol: Protocol, fold: Fold, control: Control | None = None) -> Material:
    return Material(fold, ask(protocol), history.extras, protocol.window, control)


def _judge_controls(
    history: History, protocol: Protocol, folds: list[Fold], controls: list[str], progress: tqdm
) -> Iterator[pa.Table]:
    for fold in folds:
        for name in controls:
            material = _material(history, protocol, fold, CONTROLS[name])
            fitted = fit_models(material, [protocol.controls], protocol.seeds[0], refit=protocol.refit)
            *_, (_, trained) = fitted
            yield judge(trained, material, model=name, seed=protocol.seeds[0])
            log.info("fold %s: %s with %s judged", fold.name, protocol.controls, name)
            progress.update()
