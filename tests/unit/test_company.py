"""The company that an event keeps: earlier, faded, and of an item without one's own."""

import numpy as np
import pytest

from ml.models.company import FADING, NAMES, company_columns

USERS = np.array([0, 1, 0, 1, 2, 0])
ITEMS = np.array([7, 7, 7, -1, 7, 8])
TIMES = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) * FADING
LOGITS = np.array([2.0, -1.0, 0.5, 3.0, 0.0, 1.0])


def columns(*, until: int = len(USERS), **changed: np.ndarray) -> np.ndarray:
    given = {"users": USERS, "items": ITEMS, "times": TIMES, "logits": LOGITS, **changed}
    return company_columns(*(values[:until] for values in given.values()))


def expected(row: int) -> list[float]:
    """The definition, one event after another."""
    probability, weight = 1 / (1 + np.exp(-LOGITS)), np.exp((TIMES - TIMES[row]) / FADING)
    earlier = np.arange(len(USERS)) < row
    own = earlier & (USERS[row] == USERS)
    others = earlier & (ITEMS[row] == ITEMS) & (USERS[row] != USERS) & (ITEMS[row] >= 0)

    def tell(kept: np.ndarray, *opinions: np.ndarray) -> list[float]:
        total = weight[kept].sum()
        return [total, *((weight * one)[kept].sum() / total if kept.any() else np.nan for one in opinions)]

    own_events, own_mean = tell(own, probability)
    events, mean, logit = tell(others, probability, LOGITS)
    sums = [(weight * probability)[kept].sum() for kept in (own, others)]
    return [own_events, own_mean, sums[0], events, mean, sums[1], logit]


@pytest.mark.parametrize("row", range(len(USERS)))
def test_each_event_is_told_what_was_thought_of_those_before_it(row: int):
    found = columns()[row]
    assert found.shape == (len(NAMES),)
    np.testing.assert_allclose(found, expected(row), atol=1e-6)


@pytest.mark.parametrize("until", range(1, len(USERS)))
def test_nothing_that_happens_later_changes_an_events_company(until: int):
    np.testing.assert_array_equal(columns(until=until), columns()[:until])


def test_the_order_of_the_arrays_does_not_matter():
    order = np.random.default_rng(0).permutation(len(USERS))
    shuffled = company_columns(USERS[order], ITEMS[order], TIMES[order], LOGITS[order])
    np.testing.assert_allclose(shuffled, columns()[order], atol=1e-6)


def test_an_opinion_of_oneself_does_not_count_as_company_on_the_item():
    alone = columns(users=np.zeros_like(USERS))[:, NAMES.index("item_events")]
    np.testing.assert_allclose(alone, 0, atol=1e-9)
    assert columns()[4, NAMES.index("item_events")] > 0
