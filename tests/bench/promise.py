"""How many flagged users it takes to find a broken promise, beside mapie's RiskMonitoring, and how often a kept one is
called broken.

Each stream is looked at after every user. The floor is 0.9; in a broken stream four of five are anomalous.
"""

import numpy as np

from ml.monitoring.precision import log_evidence, watch
from tests.bench.rows import Row, alone

FLOOR, BROKEN, CONFIDENCE = 0.9, 0.8, 0.95
LONGEST = 1000  # users of a stream; one in which nothing is found counts as if it had been found at its end


def measure(*, quick: bool) -> list[Row]:
    streams = 20 if quick else 100
    broken = [draw(BROKEN, seed) for seed in range(streams)]
    ours, peers = (np.array([find(stream) for stream in broken], float) for find in (ours_finds, mapie_finds))
    ratio = float(np.median(ours) / np.median(peers))
    kept = [watch(draw(FLOOR, 1000 + seed), floor=FLOOR, confidence=CONFIDENCE).broken for seed in range(10 * streams)]
    spread = sorted(ours / peers)
    users = (float(np.median(ours)), float(np.median(peers)))
    return [
        Row("promise_users_until_found_vs_mapie", *users, "users", ratio, float(spread[0]), float(spread[-1])),
        alone("promise_false_alarms", [float(np.mean(kept))], unit="share of streams"),
    ]


def draw(precision: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(LONGEST) < precision


def ours_finds(anomalous: np.ndarray) -> int:
    """The first number of users after which the promise is called broken."""
    return _first(log_evidence(anomalous, FLOOR) >= -np.log1p(-CONFIDENCE))


def mapie_finds(anomalous: np.ndarray) -> int:
    from mapie.exchangeability_testing import RiskMonitoring

    # half of the level is for a reference set, which a promise does not need
    monitor = RiskMonitoring("precision", test_level=2 * (1 - CONFIDENCE), threshold=1 - FLOOR, warn=False)
    monitor.update(anomalous.astype(int), np.ones(len(anomalous), int))
    return _first(monitor.online_risk_lower_bound_sequence_history > monitor.threshold)


def _first(found: np.ndarray) -> int:
    return int(np.argmax(found)) + 1 if found.any() else LONGEST
