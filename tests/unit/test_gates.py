"""A gate is data held against figures: proof of merit against chance, no proof of harm that matters."""

import pytest

from ml.evaluation.gates import GateClosed, check_gates, describe_gates, require_open
from ml.evaluation.metrics import Estimate

GOOD = {"roc_auc": Estimate(0.9, 0.88, 0.92), "average_precision": Estimate(0.7, 0.6, 0.8)}


def against_champion(value: float, low: float, high: float) -> dict:
    difference = Estimate(value, low, high)
    return {"challenger": GOOD, "challenger - champion": {"roc_auc": difference, "average_precision": difference}}


def test_without_a_champion_only_the_absolute_gate_applies():
    results = check_gates({"challenger": GOOD})
    assert [result.gate.name for result in results] == ["ranks better than chance"]
    require_open(results)


def test_a_challenger_that_may_be_better_is_let_through():
    results = check_gates(against_champion(-0.02, -0.05, 0.008))
    assert len(results) == 3
    require_open(results)


def test_a_loss_that_is_proven_and_too_small_to_matter_is_let_through():
    require_open(check_gates(against_champion(-0.003, -0.004, -0.002)))


def test_a_challenger_that_is_proven_worse_is_refused_by_name_and_figure():
    with pytest.raises(GateClosed) as refused:
        require_open(check_gates(against_champion(-0.03, -0.04, -0.01)))
    assert (
        "closed=ranks no worse than the champion (challenger - champion, roc_auc: -0.0300, -0.0400 to -0.0100); "
        in (str(refused.value))
    )


def test_a_challenger_no_better_than_chance_is_refused():
    chance = {"roc_auc": Estimate(0.52, 0.49, 0.55), "average_precision": Estimate(0.1, 0.0, 0.2)}
    with pytest.raises(GateClosed, match="better than chance"):
        require_open(check_gates({"challenger": chance}))


def test_the_person_who_decides_reads_every_gate_with_its_figure():
    told = describe_gates(check_gates(against_champion(0.01, -0.01, 0.03)), version="4", champion="3", users=800)
    assert "Candidate **4** against the champion, version **3**, on the same 800 users" in told
    assert told.count("| yes |") == 3
