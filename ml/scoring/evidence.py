"""Whether a trail is evidence enough for a score: long enough, and like something that training saw.

How unlike training a trail is: the distance, in standard deviations, of its last step's inputs from the box in which
nearly all training users' inputs lie, each by itself. The inputs are the numbers and, of each column of codes, the
share of the trail's events whose value is unknown; a trail of unknown values alone counts as one clipped number.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml.contracts.scores import Evidence
from ml.errors import TrailguardError
from ml.files import write_json
from ml.sequences.features import CLIP, UNKNOWN, Steps
from ml.sequences.ragged import Ragged

FILE = "evidence.json"


class EvidenceUnknown(TrailguardError):
    """A version registered by an earlier Trailguard does not say what it can judge, so it does not score.

    Train again and promote the new version; flags that are already published stand.
    """


@dataclass(frozen=True)
class EvidenceRule:
    """What a bundle's model can judge.

    fewest_events: of a trail. lowest, highest: of each input (see `inputs`), the range in which nearly
    all training users stay. farthest: how unlike training a trail may be, in standard deviations.
    """

    fewest_events: int
    lowest: list[float]
    highest: list[float]
    farthest: float

    def judge(self, steps: Steps) -> np.ndarray:
        """str (users,): the Evidence that each whole trail is."""
        return self.judge_at(steps, steps.offsets[1:] - 1)

    def judge_at(self, steps: Steps, rows: np.ndarray) -> np.ndarray:
        """str (rows,): the Evidence that each trail is up to one of its steps. rows: int64, of the flat arrays. A short
        trail that is unlike training is called unlike: that is the rarer thing, and the one to look at."""
        begun = steps.offsets[np.searchsorted(steps.offsets, rows, side="right") - 1]
        unlike, short = self.distances(inputs(steps, rows)) > self.farthest, rows - begun + 1 < self.fewest_events
        kinds = [Evidence.TOO_UNLIKE.value, Evidence.TOO_SHORT.value]
        return np.select([unlike, short], kinds, Evidence.SUFFICIENT.value)

    def distances(self, given: np.ndarray) -> np.ndarray:
        """float64 (rows,): how unlike training each row of inputs is; 0 inside the box."""
        return box_distance(given, np.asarray(self.lowest), np.asarray(self.highest))

    def save(self, bundle: Path) -> None:
        """Writes evidence.json."""
        write_json(bundle / FILE, asdict(self))

    @classmethod
    def load(cls, bundle: Path) -> "EvidenceRule":
        """Raises EvidenceUnknown."""
        if not (bundle / FILE).is_file():
            raise EvidenceUnknown(bundle=bundle)
        return cls(**json.loads((bundle / FILE).read_text()))


def inputs(steps: Steps, rows: np.ndarray) -> np.ndarray:
    """float64 (rows, inputs): what a trail that ends at each of these steps is compared by. rows: int64, of the flat
    arrays."""
    ragged = Ragged(steps.offsets)
    unknown = [CLIP * ragged.share(codes == UNKNOWN)[rows] for codes in steps.categorical.T]
    return np.column_stack([steps.numeric[rows].astype(np.float64), *unknown])


def box_distance(given: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """float64 (rows,): Euclidean distance of each row of inputs from the box; given: (rows, inputs)."""
    return np.sqrt(np.square(given - np.clip(given, lowest, highest)).sum(axis=1))
