"""Some of the faults of `make fault`, on the stack that the journey has left, and the check that follows each."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Travelled
from tests.fault import storage
from tests.fault.catalogue import FAULTS
from tests.fault.fault import Fault, Truth, suffer
from tests.fault.invariants import check_invariants
from tests.fault.killed import scoring
from tests.fault.shop import Shop

QUICK = [fault for fault in FAULTS if fault.quick]
NEWEST = "(SELECT max(interval_start) FROM scoring_run WHERE stands)"
LOSE = f"DELETE FROM user_flag WHERE state = 'active' AND rank = 1 AND interval_start = {NEWEST}"
DOUBLE = f"""
    INSERT INTO user_flag
    SELECT (jsonb_populate_record(f, jsonb_build_object('user_id', f.user_id || ' again'))).* FROM user_flag f
    WHERE state = 'active' AND rank = 2 AND interval_start = {NEWEST}"""


@pytest.fixture(scope="module")
def shop(travelled: Travelled) -> Shop:
    return Shop(travelled.journey, travelled.airflow)


@pytest.fixture(scope="module")
def truth(shop: Shop) -> Truth:
    return Truth.of(shop)


def test_every_fault_has_a_name_of_its_own():
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 30
    assert len(QUICK) >= 6


def test_the_check_sees_a_flag_that_is_lost_and_one_that_is_doubled(shop: Shop, truth: Truth):
    for harm, lost, doubled in ((LOSE, True, False), (DOUBLE, False, True)):
        shop.ask(harm)
        found = check_invariants(shop, truth.facts)
        shop.run(scoring(shop, shop.days[-1])[-1])
        assert (found.lost > 0, found.doubled > 0) == (lost, doubled)
        assert found.half_published > 0, "the interval's rows are not those that its run counts"
    assert check_invariants(shop, truth.facts).holds


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_a_fault_leaves_what_would_be_without_it(shop: Shop, truth: Truth, fault: Fault, tmp_path: Path):
    if fault in storage.FAULTS and not storage.may_mount(tmp_path):
        pytest.skip("no process may mount a disk of its own here")
    outcome = suffer(shop, truth, fault, round_=0)
    assert outcome.verdict.holds, outcome.verdict
