"""How the story must go; whatever else happened is the platform's affair, and the diary tells it."""

from collections.abc import Callable, Iterator

from tests.soak.entries import TRAININGS, candidate_of

Check = Callable[[dict], bool]
PRODUCTION = "trailguard "


def check(facts: dict) -> dict[str, bool]:
    """What must be so -> whether it is."""
    return {told: holds(facts) for told, holds in CHECKS.items()}


def _drift_is_found(facts: dict) -> bool:
    return any(facts["input"] in alert["told"] for alert in _drift(facts["days"][facts["plot"]["drift"] - 1]))


def _nothing_drifts_before(facts: dict) -> bool:
    return not any(_drift(day) for day in facts["days"][: facts["plot"]["drift"] - 1])


def _kind_is_found(facts: dict) -> bool:
    kind = facts["new_kind"]
    labelled = [day["number"] for day in facts["days"] if day["labels"].get(kind)]
    alerted = [
        day["number"] for day in facts["days"] for alert in day["alerts"]
        if (alert["kind"], alert["subject"]) == ("new_kind", kind)
    ]  # fmt: skip
    return bool(labelled and alerted) and alerted[0] <= labelled[0] + 1


def _answers_run(facts: dict) -> bool:
    """A decision to do something, and the DAG run that does it, on the same day."""
    asked = {day["number"] for day in facts["days"] if any(one["action"] != "nothing" for one in day["decisions"])}
    answers = [(day["number"], deed) for day in facts["days"] for deed in day["deeds"] if deed["by"] == "the monitor"]
    return bool(asked) and asked == {number for number, _ in answers} and all(deed["returned"] for _, deed in answers)


def _bad_never_acts(facts: dict) -> bool:
    bad = set(_bad_candidates(facts))
    moved = {deed["returned"]["move_alias"]["candidate"] for deed in _deeds(facts) if "move_alias" in deed["returned"]}
    return bool(bad) and not bad & moved


def _bad_is_stopped(facts: dict) -> bool:
    """By the gate or by the model owner, not because a newer challenger happened to come."""
    ends = {candidate_of(deed): deed for deed in _deeds(facts) if deed["dag"] == "promote_model"}
    bad = [ends[candidate] for candidate in _bad_candidates(facts) if candidate in ends]
    return bool(bad) and all(
        "check_gate" in deed["refused"] or deed.get("question", {}).get("answer") == "Reject" for deed in bad
    )


def _days_are_published_once(facts: dict) -> bool:
    return all([run["stands"] for run in day["runs"]] == [True] for day in facts["days"])


def _only_champions_act(facts: dict) -> bool:
    return all(
        day["acted_by"] == [f"{PRODUCTION}{day['runs'][0]['model_version']}"]
        and all(name.startswith(PRODUCTION) for name in day["evening"]["flagged"])
        for day in facts["days"]
    )


CHECKS: dict[str, Check] = {
    "the drift is alerted on the day it begins, and its input is named": _drift_is_found,
    "no drift is alerted before": _nothing_drifts_before,
    "the new kind is alerted no later than the day after its first labels": _kind_is_found,
    "whatever the monitor decides to do is done, and nothing else": _answers_run,
    "the bad challenger never becomes champion": _bad_never_acts,
    "the gate or the model owner stops it": _bad_is_stopped,
    "every day is published exactly once": _days_are_published_once,
    "nothing that the recommender reads comes from a challenger": _only_champions_act,
}


def _drift(day: dict) -> list[dict]:
    return [alert for alert in day["alerts"] if alert["kind"] in ("feature_drift", "score_drift")]


def _deeds(facts: dict) -> Iterator[dict]:
    for day in facts["days"]:
        yield from day["deeds"]


def _bad_candidates(facts: dict) -> Iterator[str | None]:
    """What a person has trained by hand in the week."""
    for deed in _deeds(facts):
        if deed["by"] == "a person" and deed["dag"] in TRAININGS and candidate_of(deed):
            yield candidate_of(deed)
