"""The soak's own logic: what the diary says of given facts, and that a broken story does not pass."""

from copy import deepcopy
from datetime import date, timedelta

import pytest

from tests.soak.checks import CHECKS, check
from tests.soak.diary import own_words, write_day
from tests.soak.owner import answer
from tests.soak.page import write_page

AGREEMENT = """Candidate **2** in the shadow of the champion

| day | users | both | champion alone | challenger alone | kappa | rank correlation |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| 2026-06-18 | 300 | {} |
| all | 300 | {} |"""
MEASURED = {
    "gate": {"name": "ranks no worse than the champion", "of": "challenger - champion", "metric": "roc_auc"},
    "estimate": {"value": -0.002, "low": -0.01, "high": 0.006},
    "passed": True,
}
DRIFT = "1 of 99 inputs: channel by 0.34 where 0.05 is usual"


def question(both: int, champion: int, challenger: int) -> str:
    flags = f"{both} ({both}) | {champion} (0) | {challenger} (1) | 0.700 | 0.900"
    return AGREEMENT.format(flags, flags)


def quiet_day(number: int) -> dict:
    run = {"model_version": "1", "threshold": 0.5, "users_scored": 300, "users_too_short": 4, "users_too_unlike": 0,
           "users_active": 30, "users_holdout": 1, "users_shadow": 0, "stands": True}  # fmt: skip
    return {
        "number": number,
        "date": str(date(2026, 6, 14) + timedelta(days=number)),
        "partitions": {"events": {"rows_in": 2003, "accepted": 2000, "duplicate": 2, "quarantined": 1}},
        "labels": {"fake_order": 8},
        "runs": [run],
        "cleared": 2,
        "reasons": {"pace": 21, "event_mix": 12},
        "acted_by": ["trailguard 1"],
        "alerts": [],
        "decisions": [{"action": "nothing", "reason": "nothing is wrong", "model_version": "1"}],
        "evening": {"champion": "1", "flagged": {"trailguard 1": 60}, "seconds": 60},
        "truth": {"brushing": {"came": 10, "flagged": 7}, "good": {"came": 290, "flagged": 3}},
        "deeds": [],
    }


def deed(dag: str, by: str, **told: object) -> dict:
    empty = {"asked": {}, "state": "success", "seconds": 60, "returned": {}, "refused": {}, "skipped": []}
    return {"dag": dag, "by": by} | empty | told


def trained(version: str, by: str) -> dict:
    threshold = {"value": 0.4, "guarantee": "precision >= 0.5", "shortfall": None}
    returned = {"register_candidate": {"version": version}, "choose_threshold": threshold}
    return deed("train_model", by, returned=returned, asked={"as_of": "2026-06-18"})


def story() -> dict:
    """A week as it must be: candidate 2 answers the drift, candidate 3 is the bad one."""
    days = [quiet_day(number) for number in range(1, 8)]
    days[2]["alerts"] = [{"kind": "feature_drift", "subject": "channel", "told": DRIFT, "model_version": "1"}]
    days[2]["decisions"] = [{"action": "retrain", "reason": f"feature_drift ({DRIFT})", "model_version": "1"}]
    gate = {"version": "2", "champion": "1", "results": [MEASURED]}
    asked = {"subject": "Promote candidate 2?", "body": question(20, 5, 9), "answer": "Approve", "by": "admin", "on": 4}
    promotion = deed(
        "promote_model",
        "a new challenger",
        ended_on=4,
        returned={"check_gate": gate, "move_alias": {"candidate": "2", "version": "2"}},
        question=asked | {"why": answer(asked["body"]).why},
    )
    days[2]["deeds"] = [trained("2", "the monitor"), promotion]
    days[4]["labels"]["bot"] = 9
    told = "9 users of kind bot, which training did not know"
    days[5]["alerts"] = [{"kind": "new_kind", "subject": "bot", "told": told, "model_version": "2"}]
    refused = deed("promote_model", "a new challenger", state="failed", refused={"check_gate": "the gate is closed"})
    days[4]["deeds"] = [trained("3", "a person"), refused | {"candidate": "3"}]
    return {
        "made": {"machine": "2 cores", "made": "2026-11-28", "minutes": 20},
        "settings": {"TRAILGUARD_SHADOW_DAYS": 1},
        "promise": {"precision_floor": 0.5, "alert_budget": 0.3},
        "label_delay_days": 7,
        "plot": {"drift": 3, "attack": 4, "bad": 5},
        "input": "channel",
        "new_kind": "bot",
        "before": [],
        "days": days,
    }


def test_the_story_as_it_must_be_passes_every_check():
    assert set(check(story()).values()) == {True}


def broken(told: str) -> dict:
    """The story in which that one thing is not so."""
    facts = deepcopy(story())
    days = facts["days"]
    {
        "the drift is alerted on the day it begins, and its input is named": days[2]["alerts"].clear,
        "no drift is alerted before": lambda: days[1]["alerts"].extend(days[2]["alerts"]),
        "the new kind is alerted no later than the day after its first labels": lambda: days[3]["labels"].update(bot=1),
        "whatever the monitor decides to do is done, and nothing else": days[2]["deeds"].clear,
        "the bad challenger never becomes champion": lambda: days[4]["deeds"][1]["returned"].update(
            move_alias={"candidate": "3", "version": "3"}
        ),
        "the gate or the model owner stops it": days[4]["deeds"][1]["refused"].clear,
        "every day is published exactly once": lambda: days[6]["runs"].append(days[6]["runs"][0]),
        "nothing that the recommender reads comes from a challenger": lambda: days[3]["evening"]["flagged"].update(
            {"trailguard-candidates 2": 1}
        ),
    }[told]()
    return facts


@pytest.mark.parametrize("told", CHECKS)
def test_a_broken_story_fails_the_check_that_is_about_it(told: str):
    assert not check(broken(told))[told]


def test_a_week_in_which_nobody_trained_badly_proves_nothing():
    facts = story()
    facts["days"][4]["deeds"] = []
    found = check(facts)
    assert not found["the bad challenger never becomes champion"]
    assert not found["the gate or the model owner stops it"]


def test_a_day_tells_what_came_what_was_found_what_was_decided_and_why():
    text = write_day(story(), story()["days"][2])
    assert text.startswith("## Day 3: Wednesday, 17 June 2026")
    for told in (
        "2,000 events",
        "scored 300 users and flagged 30; 1 held out; 2 cleared of an older flag; 4 not judged, since they did too",
        "little. Most often for pace (21), event mix (12).",
        "**Alert: feature drift** in `channel`. 1 of 99 inputs: channel by 0.34",
        "**Decided: retrain.** Therefore a new model is to be trained.",
        "**Trained** by the monitor, as of 2026-06-18, 60 s: candidate 2.",
        "Ranks no worse than the champion: roc auc -0.002 (-0.010 to +0.006). It now waits for its day in the shadow",
        "> The simulator's truth: 7 of the 10 flagged had attacked (precision 0.70)",
    ):
        assert told in text


def test_an_answer_stands_on_the_day_on_which_it_was_given():
    facts = story()
    assert "Promote candidate 2?" not in write_day(facts, facts["days"][2])
    assert "Promote candidate 2? *Approve: it flags 29 users" in write_day(facts, facts["days"][3])


def test_a_refusal_at_the_gate_is_told_without_what_the_training_told_already():
    facts = story()
    refused = facts["days"][4]["deeds"][1]["refused"]
    refused["check_gate"] = "No threshold keeps the policy. version=3 told=0.41 where 0.5 is asked. The champion stays."
    assert "candidate 3. No threshold keeps the policy.\n" in write_day(facts, facts["days"][4])
    refused["check_gate"] = "The gate is closed. closed=ranks no worse (roc_auc: -0.1). The champion stays."
    assert "The gate is closed. ranks no worse (roc_auc: -0.1). The champion stays." in write_day(
        facts, facts["days"][4]
    )


def test_an_action_that_the_diary_does_not_know_is_told_all_the_same():
    facts = story()
    facts["days"][2]["decisions"][0]["action"] = "ask_the_oracle"
    assert "Therefore the monitor asks for ask the oracle" in write_day(facts, facts["days"][2])


def test_a_reason_is_told_without_the_alerts_that_stand_above_it():
    alerts = [{"kind": "new_kind", "told": "9 users"}, {"kind": "score_drift", "told": "score by 0.2"}]
    reason = "new_kind (9 users); score_drift (score by 0.2): retrain of 2026-06-18 is given time to act"
    assert own_words(reason, alerts) == "retrain of 2026-06-18 is given time to act"
    assert own_words("nothing is wrong", []) == "nothing is wrong"


@pytest.mark.parametrize(
    ("flags", "option"),
    [((20, 5, 9), "Approve"), ((10, 15, 0), "Reject"), ((20, 5, 40), "Reject"), ((0, 0, 0), "Approve")],
)
def test_the_model_owner_answers_by_the_rule(flags: tuple[int, int, int], option: str):
    assert answer(question(*flags)).option == option


def test_without_a_champion_the_gate_is_enough_for_the_owner():
    assert answer("The candidate was not scored in a champion's shadow").option == "Approve"


def test_the_same_facts_give_the_same_page_and_picture(tmp_path):
    for name in ("first", "second"):
        write_page(story(), tmp_path / name)
    for page in ("soak.md", "soak.png"):
        first, second = ((tmp_path / name / page).read_bytes() for name in ("first", "second"))
        assert first == second
    text = (tmp_path / "first" / "soak.md").read_text()
    assert "**NO**" not in text
    assert "{" not in text
