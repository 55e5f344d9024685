"""pytorch-lifestream as a peer: reads one JSON request a line on stdin, answers with one JSON line on stdout.

Runs in its own environment. The model takes the very inputs that ours takes: its numbers enter as one block, which
is faster than a column at a time.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from ptls.data_load.padded_batch import PaddedBatch
from ptls.nn import Head, RnnSeqEncoder, TrxEncoder
from ptls.nn.trx_encoder.encoders import IdentityEncoder


class Peer:
    """A GRU with a head on its last step, over the trails of one file."""

    def __init__(self, trails: str, width: int, vocabulary_sizes: list[int], embedding_sizes: list[int]):
        held = np.load(trails)
        self.numeric, self.categorical, self.offsets = held["numeric"], held["categorical"], held["offsets"]
        self.lengths = np.diff(self.offsets)
        embeddings = {
            f"code_{index}": {"in": count, "out": size}
            for index, (count, size) in enumerate(zip(vocabulary_sizes, embedding_sizes, strict=True))
        }
        numbers = {"numeric": IdentityEncoder(self.numeric.shape[1])}
        steps = TrxEncoder(embeddings, custom_embeddings=numbers, use_batch_norm=False)
        self.encoder = RnnSeqEncoder(steps, hidden_size=width, type="gru", is_reduce_sequence=True).eval()
        self.head = Head(width, objective="regression").eval()

    def padded(self, users: np.ndarray, first: int = 0) -> PaddedBatch:
        """Right-padded from each user's step `first` on, gathered at once."""
        lengths = self.lengths[users] - first
        places = np.arange(lengths.max())
        real = places < lengths[:, None]
        rows = np.where(real, self.offsets[users][:, None] + first + places, 0)
        codes, numbers = self.categorical.take(rows, axis=0), self.numeric.take(rows, axis=0)
        codes[~real], numbers[~real] = 0, 0
        payload = {f"code_{index}": torch.from_numpy(codes[..., index]).long() for index in range(codes.shape[-1])}
        payload["numeric"] = torch.from_numpy(numbers)
        return PaddedBatch(payload, torch.from_numpy(lengths))

    def score_all(self, users: int, tokens: int, threads: int, workers: int) -> float:
        """Seconds for the first `users` users, in batches of similar length; each worker runs whole batches."""
        torch.set_num_threads(threads)
        began = time.perf_counter()
        order, batches, start = np.argsort(-self.lengths[:users], kind="stable"), [], 0
        while start < len(order):
            batches.append(order[start : start + max(1, tokens // int(self.lengths[order[start]]))])
            start += len(batches[-1])
        if workers == 1:
            list(map(self.score, batches))
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(self.score, batches))
        return time.perf_counter() - began

    @torch.inference_mode()  # holds for one thread only, hence here
    def score(self, users: np.ndarray) -> torch.Tensor:
        return self.head(self.encoder(self.padded(users)))

    def score_one(self, users: list[int], threads: int) -> list[float]:
        """Seconds for each user, whose whole trail is run again."""
        torch.set_num_threads(threads)
        return [self._timed(lambda user=user: self.score(np.array([user]))) for user in users]

    def score_next(self, users: list[int], threads: int) -> list[float]:
        """Seconds for each user's last step from the state that is kept of the steps before it."""
        torch.set_num_threads(threads)
        zero = torch.zeros(1, 1, self.encoder.seq_encoder.hidden_size)
        return [self._timed(lambda user=user: self._next(user, zero)) for user in users]

    @torch.inference_mode()
    def _next(self, user: int, state: torch.Tensor) -> None:
        last = self.padded(np.array([user]), first=int(self.lengths[user]) - 1)
        self.head(self.encoder.seq_encoder(self.encoder.trx_encoder(last), state))

    @staticmethod
    def _timed(work) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def main() -> None:
    peer = Peer(**json.loads(sys.stdin.readline()))
    print(json.dumps({"torch": torch.__version__}), flush=True)  # noqa: T201
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(peer, request.pop("call"))(**request)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
