"""Running aggregates over all users at once equal those of each user alone."""

from itertools import pairwise

import numpy as np
import pytest

from ml.sequences.ragged import Ragged, Running

LENGTHS = np.array([1, 5, 2, 30, 1, 7])
OFFSETS = np.append(0, np.cumsum(LENGTHS))
USERS = [slice(start, end) for start, end in pairwise(OFFSETS)]


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = rng.normal(5, 100, OFFSETS[-1])
    return np.where(rng.random(len(drawn)) < 0.3, np.nan, drawn)


def so_far(values: np.ndarray, aggregate) -> np.ndarray:
    """The aggregate of the known values of each user alone, event by event; nan before the first."""
    told = []
    for user in USERS:
        for end in range(1, user.stop - user.start + 1):
            seen = values[user][:end]
            known = seen[~np.isnan(seen)]
            told.append(aggregate(known) if len(known) else np.nan)
    return np.array(told)


@pytest.mark.parametrize("name", ["mean", "std", "max", "min"])
def test_running_aggregates_equal_each_users_own(values: np.ndarray, name: str):
    ours = getattr(Running(Ragged(OFFSETS), values), name)()
    np.testing.assert_allclose(ours, so_far(values, getattr(np, name)), atol=2e-3)


def test_marks_are_counted_and_shared_within_the_user():
    marks = np.random.default_rng(4).random(OFFSETS[-1]) < 0.4
    ragged = Ragged(OFFSETS)
    np.testing.assert_array_equal(ragged.sum(marks), so_far(marks.astype(float), np.sum))
    np.testing.assert_array_equal(ragged.share(marks), so_far(marks.astype(float), np.mean))


def test_a_user_of_whom_nothing_is_known_raises_no_other(values: np.ndarray):
    values[USERS[3]] = np.nan
    running = Running(Ragged(OFFSETS), values)
    for aggregate in (running.mean(), running.std(), running.max(), running.min()):
        assert np.isnan(aggregate[USERS[3]]).all()
        assert not np.isnan(aggregate[USERS[5]][-1])


def test_a_code_is_first_once_for_each_user():
    codes = np.random.default_rng(1).integers(0, 4, OFFSETS[-1])
    ours = Ragged(OFFSETS).first(codes)
    for user in USERS:
        seen = codes[user].tolist()
        assert ours[user].tolist() == [code not in seen[:index] for index, code in enumerate(seen)]


def test_the_newest_mark_is_looked_for_within_the_user():
    marks = np.random.default_rng(2).random(OFFSETS[-1]) < 0.3
    ours = Ragged(OFFSETS).since(marks)
    for user in USERS:
        newest = user.start
        for row in range(user.start, user.stop):
            newest = row if marks[row] else newest
            assert ours[row] == newest


def test_recent_events_are_counted_within_the_span_and_the_user():
    rng = np.random.default_rng(3)
    seconds = np.concatenate([np.sort(rng.integers(0, 500, length)) for length in LENGTHS]).astype(float)
    ours = Ragged(OFFSETS).recent(seconds, 60.0)
    for user in USERS:
        for row in range(user.start, user.stop):
            theirs = seconds[user.start : row + 1]
            assert ours[row] == (theirs >= seconds[row] - 60.0).sum()


def test_no_users_are_no_trouble():
    nobody = Ragged(np.zeros(1, np.int64))
    assert (
        len(nobody.first(np.zeros(0, np.int64)))
        == len(Running(nobody, np.zeros(0)).max())
        == len(nobody.recent(np.zeros(0), 1.0))
        == 0
    )


def test_a_users_values_do_not_depend_on_who_else_is_there(values: np.ndarray):
    alone = Running(Ragged(np.array([0, 30])), values[USERS[3]] * 100)
    together = Running(Ragged(OFFSETS), values * 100)
    for name in ("mean", "std", "max", "min"):
        np.testing.assert_array_equal(getattr(together, name)()[USERS[3]], getattr(alone, name)())
