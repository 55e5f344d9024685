"""Tries configurations on a snapshot until the budget is used: trained on its train slice, compared on its validation
slice. The other slices stay unread."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import optuna
from optuna.trial import Trial, TrialState
from tqdm import tqdm

from ml.pretraining.backbone import Backbone
from ml.registry.digest import folder_digest
from ml.registry.search_log import SearchLog
from ml.search.pictures import draw_search
from ml.search.space import SHAPE, space_of
from ml.search.study import Study
from ml.search.tuned import write_tuned
from ml.training.config import TrainingConfig
from ml.training.epochs import Curves
from ml.training.snapshot import Snapshot
from ml.training.train import fit_network, read_material

log = logging.getLogger(__name__)
Watch = Callable[[Curves], None]


class BudgetUsed(Exception):
    """The trial under way is left as it is; the next search tries it again."""


def search(
    folder: Path,
    default: TrainingConfig,
    *,
    seed: int,
    time_left: Callable[[], bool],
    search_log: SearchLog,
    backbone_folder: Path | None = None,
    shape_is_given: bool = False,
) -> dict[str, object]:
    """Goes on with the search of this snapshot, default and seed, and writes what was found to tuned.json beside it.

    folder: of the snapshot. default: tried first. time_left: asked before each trial and after each epoch.
    shape_is_given: width and layers stay the default's; with a backbone they are the backbone's.
    Returns the architecture's part of tuned.json. Raises InputAbsent, NothingTried, BackboneUnfit, BackboneTooNew.
    """
    snapshot = Snapshot.load(folder)
    backbone = Backbone.load(backbone_folder) if backbone_folder else None
    if backbone:
        default = replace(default, **{name: getattr(backbone.config, name) for name in SHAPE})
    space = space_of(default.architecture, shape_is_given=shape_is_given or backbone is not None)
    origin = folder_digest(backbone_folder) if backbone_folder else ""
    key = {"fingerprint": snapshot.fingerprint, "backbone": origin, "backend": keras.backend.backend()}
    study = Study(folder, key, default, space, seed)
    with search_log.search(study.name, as_of=snapshot.as_of.isoformat(), fingerprint=snapshot.fingerprint):
        Trials(study, fitting(snapshot, backbone, seed), time_left, search_log).run()
        found = write_tuned(folder, study, fingerprint=snapshot.fingerprint)
        search_log.conclude(found, lambda out: draw_search(study.memory, out))
    return found


def fitting(snapshot: Snapshot, backbone: Backbone | None, seed: int) -> Callable[[TrainingConfig, Watch], Curves]:
    """What trains one configuration on the snapshot."""
    featurizer, training, validation = read_material(snapshot, backbone)

    def fit(config: TrainingConfig, watch: Watch) -> Curves:
        keras.utils.clear_session()  # or the compiled programs of all trials would stay in memory
        return fit_network(training, validation, featurizer, config, seed, backbone=backbone, watch=watch)[1]

    return fit


@dataclass(frozen=True)
class Trials:
    """One after another. fit: see fitting."""

    study: Study
    fit: Callable[[TrainingConfig, Watch], Curves]
    time_left: Callable[[], bool]
    log: SearchLog

    def run(self) -> None:
        with tqdm(desc="tune", unit="trial", disable=None) as progress:
            while self.time_left():
                self._try()
                progress.update()

    def _try(self) -> None:
        trial, began = self.study.ask(), time.perf_counter()
        with self.log.trial(trial.number, trial.params):
            state, loss = self._train(trial)
            self.study.tell(trial, state, loss)
            self.log.outcome(state.name.lower(), loss, seconds=time.perf_counter() - began)
        log.info("trial %d %s: loss %s of %s", trial.number, state.name.lower(), loss, trial.params)

    def _train(self, trial: Trial) -> tuple[TrialState, float | None]:
        """What became of the trial, and the loss of its best epoch where it was trained to its end."""
        config = replace(self.study.default, **trial.params)
        try:
            curves = self.fit(config, lambda curves: self._watch(trial, config, curves))
        except optuna.TrialPruned:
            return TrialState.PRUNED, None
        except BudgetUsed:
            return TrialState.FAIL, None
        loss = curves.validation_loss[curves.best_epoch]
        return (TrialState.COMPLETE, loss) if np.isfinite(loss) else (TrialState.PRUNED, None)

    def _watch(self, trial: Trial, config: TrainingConfig, curves: Curves) -> None:
        epoch = len(curves.loss) - 1
        self.log.epoch(epoch, curves.loss[-1], curves.validation_loss[-1])
        trial.report(curves.validation_loss[-1], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
        if curves.go_on(config) and not self.time_left():
            raise BudgetUsed
