"""Who is in which optimizer step: users of all lengths, dealt like cards. Numpy only."""

from collections.abc import Callable, Iterator

import numpy as np

from ml.training.packing import Packing, bucket_lengths


class Dealer:
    """Deals the users, anew in every epoch, into one hand for each optimizer step and worker.

    Users of one length alone are no fair sample (short trails are more often anomalous), so every hand gets its share
    of each length, the same in number up to one user.
    """

    def __init__(
        self,
        offsets: np.ndarray,
        window: int,
        pack: Callable[[np.ndarray, np.ndarray], Packing],
        *,
        users_per_step: int,
        rank: int = 0,
        workers: int = 1,
    ):
        """offsets: int64 (users + 1,), of the events. pack: pack_segments or pack_blocks. users_per_step: of all
        workers together."""
        self.offsets, self.users_per_step, self.rank, self.workers = offsets, users_per_step, rank, workers
        ends = bucket_lengths(window)
        self.bucket = np.searchsorted(ends, np.diff(offsets))
        dealt = [np.bincount(hand, minlength=len(ends)) for hand in self._hands(np.sort(self.bucket)[::-1])]
        self.packing = pack(ends, np.array(dealt))

    def __len__(self) -> int:
        """Optimizer steps of an epoch."""
        return max(1, round(len(self.bucket) / self.users_per_step))

    def deal(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """The worker's users in each step of an epoch, int64 (users,) each."""
        order = rng.permutation(len(self.bucket))
        hands = self._hands(order[np.argsort(-self.bucket[order], kind="stable")])
        for step in rng.permutation(len(self)):
            yield hands[step + self.rank * len(self)]

    def lay(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 and bool (steps,): the event at each place of a step, and whether there is one."""
        seats = self.packing.seat(self.bucket[users])
        starts, lengths = np.zeros((2, self.packing.seats), np.int64)
        starts[seats], lengths[seats] = self.offsets[users], self.offsets[users + 1] - self.offsets[users]
        return self.packing.locate(starts, lengths)

    def _hands(self, users: np.ndarray) -> list[np.ndarray]:
        count = len(self) * self.workers
        return [users[hand::count] for hand in range(count)]
