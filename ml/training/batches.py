"""What each optimizer step sees: the users dealt to it, packed, with targets and weights. Numpy only."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ml.sequences.features import Featurizer
from ml.training.dealing import Dealer
from ml.training.packing import Packing
from ml.training.steps import TargetedSteps

SHOWN_CLOSED = 0.5
FEWEST_STEPS = 12  # of an epoch: stopping early, averaging and the falling rate all count in epochs


@dataclass(frozen=True)
class PackedBatch:
    """inputs: the trainer's. targets: float32 (1, steps, targets). weights: float32 (1, steps), 0 where no event is."""

    inputs: dict[str, np.ndarray]
    targets: np.ndarray
    weights: np.ndarray


class OpenedDays:
    """Shows a closing step as it looked at its event, before anybody knew that the user would do no more that day."""

    def __init__(self, featurizer: Featurizer):
        names = featurizer.numeric_names
        self.column = names.index("closes_day") if "closes_day" in names else None
        self.value = 0.0 if self.column is None else featurizer.scaled("closes_day", 0.0)

    def apply(self, numeric: np.ndarray, where: np.ndarray) -> None:
        """Changes numeric (..., F) in place where the mask (...) is True."""
        if self.column is not None:
            numeric[..., self.column][where] = self.value


class PackedBatches:
    """Deals the users, anew in every pass, and packs each hand with its targets and weights.

    An epoch is one pass over the users or, where they are few, as many as make FEWEST_STEPS.
    """

    def __init__(
        self,
        data: TargetedSteps,
        featurizer: Featurizer,
        pack: Callable[[np.ndarray, np.ndarray], Packing],
        *,
        users_per_step: int,
        seed: int,
        rank: int = 0,
        workers: int = 1,
    ):
        """See Dealer."""
        self.data, self.seed = data, seed
        self.opened = OpenedDays(featurizer)
        self.dealer = Dealer(
            data.steps.offsets,
            featurizer.window,
            pack,
            users_per_step=users_per_step,
            rank=rank,
            workers=workers,
        )

    @property
    def packing(self) -> Packing:
        return self.dealer.packing

    def __len__(self) -> int:
        """Optimizer steps of an epoch."""
        return self.passes * len(self.dealer)

    @property
    def passes(self) -> int:
        return math.ceil(FEWEST_STEPS / len(self.dealer))

    def epoch(self, number: int) -> Iterator[PackedBatch]:
        """The worker's batches of an epoch; the same number gives the same ones."""
        for one in range(self.passes):
            yield from self._pass(self.passes * number + one)

    def _pass(self, number: int) -> Iterator[PackedBatch]:
        rng = np.random.default_rng([self.seed, number])
        shown = self.data.closes_day & (rng.random(len(self.data.closes_day)) < SHOWN_CLOSED)
        weights = self._weigh(shown)
        for users in self.dealer.deal(rng):
            yield self._pack(users, shown, weights)

    def _weigh(self, shown: np.ndarray) -> np.ndarray:
        """Either way of showing a closing step is drawn half the time, and weighs twice for it."""
        data = self.data
        unseen = np.where(data.closes_day, data.open_weights / (1 - SHOWN_CLOSED), data.open_weights)
        weights = np.where(shown, data.closed_weights / SHOWN_CLOSED, unseen)
        return (weights / self.dealer.users_per_step).astype(np.float32)

    def _pack(self, users: np.ndarray, shown: np.ndarray, weights: np.ndarray) -> PackedBatch:
        data = self.data
        events, real = self.dealer.lay(users)
        numeric = data.steps.numeric[events]
        self.opened.apply(numeric, data.closes_day[events] & ~shown[events])
        return PackedBatch(
            {"numeric": numeric[None], "categorical": data.steps.categorical[events][None]},
            data.targets[events][None, :, None],
            np.where(real, weights[events], np.float32(0))[None],
        )
