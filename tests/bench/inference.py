"""Scoring: users per second and the wait of one user, beside pytorch-lifestream and padded Keras.

The trails' lengths are a seeded log-normal draw, mean about 24 and at most WINDOW, the same for everyone.
"""

import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import keras
import numpy as np
from rich.console import Console

from ml.models.config import Architecture, ModelConfig
from ml.models.files import export_onnx
from ml.models.network import EMBEDDING_LIMIT, build_model
from ml.scoring.network import TOKENS, Network
from ml.sequences.batches import Batch, pack_batches, pad
from ml.sequences.features import Steps
from tests.bench.ptls.client import PeerProcess, PeerUnavailable
from tests.bench.rows import Row, alone, compare, rate, seconds

WINDOW, WIDTH, NUMBERS = 256, 64, 24
VOCABULARY = (12, 30)
CONFIG = ModelConfig(numeric=NUMBERS, vocabulary_sizes=VOCABULARY, width=WIDTH)
LSTM = replace(CONFIG, architecture=Architecture.LSTM)
TRANSFORMER = replace(CONFIG, architecture=Architecture.TRANSFORMER, layers=2)
CORES = os.cpu_count() or 1


def measure(*, quick: bool) -> list[Row]:
    users, singles, repetitions = (6_000, 300, 3) if quick else (50_000, 2_000, 7)
    steps = draw_steps(users)
    with tempfile.TemporaryDirectory() as folder:
        transformer, transformer_keras = both_ways(TRANSFORMER, Path(folder))
        lstm, keras_lstm = both_ways(LSTM, Path(folder))
        network, keras_gru = both_ways(CONFIG, Path(folder))
        ours, lstms, transformers = (scoring_rate(each, steps) for each in (network, lstm, transformer))
        padded_gru = padded_keras(keras_gru, steps, 2_048 if quick else 16_384, batch=512)
        padded_lstm = padded_keras(keras_lstm, steps, 2_048 if quick else 16_384, batch=512)
        padded_transformer = padded_keras(transformer_keras, steps, 512 if quick else 4_096, batch=64)
        rows = [
            compare("score_gru_vs_padded_keras", ours, padded_gru, unit="users/s", repetitions=3),
            compare("score_lstm_vs_padded_keras", lstms, padded_lstm, unit="users/s", repetitions=3),
            compare(
                "score_transformer_vs_padded_keras", transformers, padded_transformer, unit="users/s", repetitions=3
            ),
            alone("score_padding_share", [padding_share(steps)], unit="share"),
            compare("score_gru_flops_share", lambda: flops(steps) * ours(), matmul_rate, unit="GFLOP/s"),
        ]
        try:
            return rows + against_ptls(network, steps, ours, Path(folder), singles, repetitions)
        except PeerUnavailable as reason:
            Console(stderr=True).print(f"pytorch-lifestream is left out: {reason}")
            return rows


def draw_steps(users: int) -> Steps:
    rng = np.random.default_rng(0)
    lengths = np.clip(np.round(rng.lognormal(np.log(24) - 0.6, 1.1, users)), 1, WINDOW).astype(np.int64)
    offsets = np.append(0, np.cumsum(lengths))
    codes = [rng.integers(1, size, offsets[-1], dtype=np.int32) for size in VOCABULARY]
    return Steps(rng.normal(size=(offsets[-1], NUMBERS)).astype(np.float32), np.stack(codes, 1), offsets)


def both_ways(config: ModelConfig, folder: Path) -> tuple[Network, keras.Model]:
    """The same weights, exported and not."""
    model, exported = build_model(config), folder / config.architecture
    exported.mkdir()
    export_onnx(model, exported)
    return Network(exported), model


def scoring_rate(network: Network, steps: Steps) -> Callable[[], float]:
    score = lambda: network.last_logits(steps)  # noqa: E731
    score()
    return lambda: rate(score, len(steps.lengths))


def padded_keras(model: keras.Model, steps: Steps, users: int, *, batch: int) -> Callable[[], float]:
    """The tutorial's way: everyone padded to the window, then `predict`; its rate does not depend on the lengths, so
    a part of the users tells it. The batch sizes are the fastest found of 32 to 512."""
    some = np.arange(min(len(steps.lengths), users))
    inputs = pad(steps, Batch(some, WINDOW))  # given for free
    predict = lambda: model.predict(inputs, batch_size=batch, verbose=0)  # noqa: E731
    predict()
    return lambda: rate(predict, len(some))


def padding_share(steps: Steps) -> float:
    batches = pack_batches(steps.lengths, tokens=TOKENS)
    return 1 - steps.lengths.sum() / sum(len(batch.users) * batch.length for batch in batches)


def flops(steps: Steps) -> float:
    """Giga-operations for the mean user: two for each weight that multiplies at a real step."""
    entered = NUMBERS + sum(min(EMBEDDING_LIMIT, (size + 1) // 2) for size in VOCABULARY)
    weights = entered * WIDTH + 2 * 3 * WIDTH * WIDTH + 2 * WIDTH * WIDTH + WIDTH
    return 2 * weights * steps.lengths.mean() / 1e9


def matmul_rate() -> float:
    """GFLOP/s of this machine's float32 matrix product."""
    left = np.ones((2048, 2048), np.float32)
    return rate(lambda: left @ left, 2 * 2048**3 / 1e9)


def against_ptls(network: Network, steps: Steps, ours, folder: Path, singles: int, repetitions: int) -> list[Row]:
    """Raises PeerUnavailable."""
    np.savez(folder / "trails.npz", numeric=steps.numeric, categorical=steps.categorical, offsets=steps.offsets)
    sizes = [min(EMBEDDING_LIMIT, (size + 1) // 2) for size in VOCABULARY]
    setup = {"width": WIDTH, "vocabulary_sizes": VOCABULARY, "embedding_sizes": sizes}
    with PeerProcess(trails=str(folder / "trails.npz"), **setup) as peer:
        count = len(steps.lengths)
        ways = [
            {"tokens": tokens, "threads": threads, "workers": workers}
            for tokens, (threads, workers) in product((4096, 16_384, 65_536), {(CORES, 1), (1, CORES), (1, 1)})
        ]
        best = min(ways, key=lambda way: min(peer.call("score_all", users=4000, **way) for _ in range(2)))
        Console(stderr=True).print(f"pytorch-lifestream is fastest with {best}")
        theirs = lambda: count / peer.call("score_all", users=count, **best)  # noqa: E731
        rows = [compare("score_gru_vs_ptls", ours, theirs, unit="users/s", repetitions=repetitions)]
        chosen = np.random.default_rng(1).choice(count, singles, replace=False).tolist()
        waits = lambda: slowest(one_at_a_time(network, steps, chosen))  # noqa: E731
        for name, call in (
            ("score_one_event_p99_vs_ptls", "score_one"),  # both run the user's whole trail again
            ("score_one_event_p99_vs_ptls_state", "score_next"),  # the peer keeps each user's state, ours does not
        ):
            threads = min((1, CORES), key=lambda n: slowest(peer.call(call, users=chosen, threads=n)))
            wait = lambda: slowest(peer.call(call, users=chosen, threads=threads))  # noqa: B023, E731
            rows.append(compare(name, waits, wait, unit="ms", repetitions=repetitions))
        return rows


def one_at_a_time(network: Network, steps: Steps, users: list[int]) -> list[float]:
    """Seconds for each user, alone."""
    waits = []
    for user in users:
        rows = slice(steps.offsets[user], steps.offsets[user + 1])
        alone_ = Steps(steps.numeric[rows], steps.categorical[rows], np.array([0, steps.lengths[user]]))
        waits.append(seconds(lambda: network.last_logits(alone_)))  # noqa: B023
    return waits


def slowest(waits: list[float]) -> float:
    """The 99th percentile, in milliseconds."""
    return statistics.quantiles(waits, n=100)[-1] * 1e3
