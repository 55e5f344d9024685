"""The memory of a search: an Optuna study in a file beside the snapshot, which the next search goes on from."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, Trial, TrialState

from ml.files import content_id
from ml.search.space import Space
from ml.training.config import TrainingConfig

FILE = "search.db"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
STARTUP = 5  # complete trials before any is pruned, and trials before the sampler learns from them


class Study:
    """Proposes configurations and remembers what became of them.

    Trials that were broken off are forgotten: what is proposed depends on the seed and on the trials that are done,
    so a search that goes on proposes what an unbroken one would have, the trial that was broken off first.

    folder: of the snapshot. key: what else the losses depend on; a study of another key is not gone on from.
    default: the configuration that is tried first and that the others change.
    """

    def __init__(self, folder: Path, key: dict[str, object], default: TrainingConfig, space: Space, seed: int):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.default, self.space, self.seed = default, space, seed
        self.name = f"{default.architecture}-{_digest(key, default, space, seed)}"
        self.memory = optuna.create_study(
            storage=f"sqlite:///{folder.resolve() / FILE}",
            study_name=self.name,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
            load_if_exists=True,
        )
        for trial in self.memory.get_trials(states=(TrialState.RUNNING,)):  # its process was killed
            self.memory.tell(trial.number, state=TrialState.FAIL)

    def ask(self) -> Trial:
        """The next trial, its parameters drawn."""
        done = len(self.done)
        if done == 0 and not self.memory.get_trials(states=(TrialState.WAITING,)):
            self.memory.enqueue_trial({name: getattr(self.default, name) for name in self.space})
        seed = int(np.random.SeedSequence([self.seed, done]).generate_state(1)[0])
        self.memory.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        return self.memory.ask(self.space)

    def tell(self, trial: Trial, state: TrialState, loss: float | None = None) -> None:
        """loss: of a complete trial."""
        self.memory.tell(trial, loss, state=state)

    @property
    def done(self) -> list[FrozenTrial]:
        """Complete and pruned trials in the order in which they were tried, the default's first."""
        return self.memory.get_trials(states=DONE)

    @property
    def best(self) -> FrozenTrial | None:
        """The complete trial with the lowest loss, None before there is one."""
        complete = self.memory.get_trials(states=(TrialState.COMPLETE,))
        return min(complete, key=lambda trial: trial.value) if complete else None


def _digest(key: dict[str, object], default: TrainingConfig, space: Space, seed: int) -> str:
    told = {name: distribution_to_json(values) for name, values in space.items()}
    return content_id([key, asdict(default), told, seed])
