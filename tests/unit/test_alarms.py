"""Two detectors share the false alarms that good users may give."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from ml.calibration.good_users import FALSE_POSITIVES
from ml.comparison.one_class import ALARMS, OneClass, set_alarm

VIEW = "all"


@dataclass(frozen=True)
class Column:
    """A detector whose logit is one column of what is asked."""

    number: int

    def logits(self, view: str, asked: SimpleNamespace) -> np.ndarray:
        return asked.columns[:, self.number]


def asked(rows: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(columns=rows)


@pytest.fixture
def good() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5000, 2))


@pytest.fixture
def detector(good: np.ndarray) -> OneClass:
    given = {VIEW: asked(good)}
    return OneClass(tuple(set_alarm(Column(n), given, share) for n, share in enumerate(ALARMS.values())))


def test_the_shares_are_the_whole():
    assert sum(ALARMS.values()) == pytest.approx(1)


def test_no_more_good_users_are_flagged_than_may_be(detector: OneClass, good: np.ndarray):
    flagged = (detector.logits(VIEW, asked(good)) > 0).mean()
    assert FALSE_POSITIVES * max(ALARMS.values()) <= flagged <= FALSE_POSITIVES


def test_either_alarm_is_enough_and_the_one_with_the_larger_share_goes_off_sooner(detector: OneClass):
    first, second, neither = detector.logits(VIEW, asked(np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])))
    assert first > 0 > second > neither
    assert detector.logits(VIEW, asked(np.array([[0.0, 9.0]])))[0] > 0
