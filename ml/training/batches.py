"""What each optimizer step sees: users of all lengths, dealt like cards, packed. Numpy only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ml.sequences.features import Featurizer
from ml.training.packing import Packing, bucket_lengths
from ml.training.steps import TargetedSteps

SHOWN_CLOSED = 0.5


@dataclass(frozen=True)
class PackedBatch:
    """inputs: the trainer's. targets: float32 (1, steps, 1). weights: float32 (1, steps), 0 where no event is."""

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
    """Deals the users, anew in every epoch, into one hand for each optimizer step and worker.

    Users of one length alone are no fair sample (short trails are more often anomalous), so every hand gets its share
    of each length, the same in number up to one user.
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
        """pack: pack_segments or pack_blocks. users_per_step: of all workers together."""
        self.data, self.users_per_step, self.seed = data, users_per_step, seed
        self.rank, self.workers = rank, workers
        self.opened = OpenedDays(featurizer)
        ends = bucket_lengths(featurizer.window)
        self.bucket = np.searchsorted(ends, data.steps.lengths)
        dealt = [np.bincount(hand, minlength=len(ends)) for hand in self._hands(np.sort(self.bucket)[::-1])]
        self.packing = pack(ends, np.array(dealt))

    def __len__(self) -> int:
        """Optimizer steps of an epoch."""
        return max(1, round(len(self.bucket) / self.users_per_step))

    def epoch(self, number: int) -> Iterator[PackedBatch]:
        """The worker's batches of an epoch; the same number gives the same ones."""
        rng = np.random.default_rng([self.seed, number])
        shown = self.data.closes_day & (rng.random(len(self.data.closes_day)) < SHOWN_CLOSED)
        weights = self._weigh(shown)
        order = rng.permutation(len(self.bucket))
        hands = self._hands(order[np.argsort(-self.bucket[order], kind="stable")])
        for step in rng.permutation(len(self)):
            yield self._pack(hands[step + self.rank * len(self)], shown, weights)

    def _hands(self, users: np.ndarray) -> list[np.ndarray]:
        count = len(self) * self.workers
        return [users[hand::count] for hand in range(count)]

    def _weigh(self, shown: np.ndarray) -> np.ndarray:
        """Either way of showing a closing step is drawn half the time, and weighs twice for it."""
        data = self.data
        unseen = np.where(data.closes_day, data.open_weights / (1 - SHOWN_CLOSED), data.open_weights)
        weights = np.where(shown, data.closed_weights / SHOWN_CLOSED, unseen)
        return (weights / self.users_per_step).astype(np.float32)

    def _pack(self, users: np.ndarray, shown: np.ndarray, weights: np.ndarray) -> PackedBatch:
        data, seats = self.data, self.packing.seat(self.bucket[users])
        starts, lengths = np.zeros((2, self.packing.seats), np.int64)
        starts[seats], lengths[seats] = data.steps.offsets[users], data.steps.lengths[users]
        events, real = self.packing.locate(starts, lengths)
        numeric = data.steps.numeric[events]
        self.opened.apply(numeric, data.closes_day[events] & ~shown[events])
        return PackedBatch(
            {"numeric": numeric[None], "categorical": data.steps.categorical[events][None]},
            data.targets[events][None, :, None],
            np.where(real, weights[events], np.float32(0))[None],
        )
