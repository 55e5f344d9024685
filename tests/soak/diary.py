"""The diary: each day's entries, in plain words, from the facts alone."""

from collections.abc import Iterator
from datetime import date

from tests.soak.truth import GOOD

HAPPENS = {  # by the simulator's hand, or by somebody's
    "drift": "From today on whoever comes by phone or tablet comes by the app: the shop has closed its mobile site.",
    "attack": "Scraper bots sign up in numbers. No model has ever seen one, and no label has ever named one.",
    "bad": "In the morning somebody in a hurry trains a model by hand, with a `tuned.json` that allows a single epoch.",
}
ACTIONS = {
    "nothing": "Nothing is started",
    "recalibrate": "Another threshold is to be chosen for the same model",
    "fine_tune": "The champion is to learn on from what has come since",
    "retrain": "A new model is to be trained",
}
TRAININGS = {"train_model": "Trained", "update_model": "Trained further"}


def write_day(facts: dict, day: dict) -> str:
    """A section of Markdown."""
    when = date.fromisoformat(day["date"])
    happens = [HAPPENS[name] for name, number in facts["plot"].items() if number == day["number"]]
    lines = [f"## Day {day['number']}: {when:%A}, {when.day} {when:%B %Y}", "", *(f"*{told}*\n" for told in happens)]
    lines += [f"- {entry}" for entry in _entries(facts, day)]
    return "\n".join([*lines, "", f"> The simulator's truth: {_tell_truth(day['truth'])}", ""])


def _entries(facts: dict, day: dict) -> Iterator[str]:
    by_hand = [deed for deed in day["deeds"] if deed["by"] == "a person"]
    theirs = [deed for deed in day["deeds"] if deed not in by_hand and _belongs(deed, by_hand)]
    for deed in [*by_hand, *theirs]:
        yield from tell_deed(deed)
    yield f"**Came in.** {_tell_intake(day)}"
    yield f"**Flagged.** {_tell_run(day)}"
    yield from _tell_watch(day)
    for deed in day["deeds"]:
        if deed not in by_hand and deed not in theirs:
            yield from tell_deed(deed)
    for asked in answered_on(facts, day["number"]):
        yield _tell_answer(asked)
    yield f"**In the evening** {_tell_evening(day['evening'])}"


def _belongs(deed: dict, by_hand: list[dict]) -> bool:
    """Whether the promotion is of a challenger that somebody has trained by hand."""
    candidates = {candidate_of(one) for one in by_hand} - {None}
    return deed["dag"] == "promote_model" and candidate_of(deed) in candidates


def candidate_of(deed: dict) -> str | None:
    """The version that a training registered, or that a promotion was about."""
    registered = deed["returned"].get("register_challenger") or deed["returned"].get("check_gate") or {}
    return registered.get("version") or deed.get("candidate")


def answered_on(facts: dict, number: int) -> list[dict]:
    """Promotions on which the model owner answered that day."""
    deeds = [*facts["before"], *(deed for day in facts["days"] for deed in day["deeds"])]
    return [deed for deed in deeds if deed.get("question", {}).get("on") == number]


def _tell_intake(day: dict) -> str:
    events, labels = day["partitions"]["events"], day["labels"]
    told = f"{events['accepted']:,} events, {events['duplicate']} more that were there already, "
    told += f"{events['quarantined']} quarantined. Labels on {sum(labels.values())} users"
    kinds = ", ".join(f"{words(kind)} {users}" for kind, users in sorted(labels.items(), key=lambda one: -one[1]))
    return f"{told}: {kinds}." if kinds else f"{told}."


def _tell_run(day: dict) -> str:
    run = day["runs"][-1]
    told = f"Champion {run['model_version']} (threshold {run['threshold']:.3f}) scored {run['users_scored']} users and "
    told += f"flagged {run['users_active']}; {run['users_holdout']} more held out, {day['cleared']} cleared. "
    told += f"{run['users_too_short']} did too little to be judged"
    if run["users_too_unlike"]:
        told += f", {run['users_too_unlike']} are too unlike all that it has learned from"
    if run["users_shadow"]:
        told += f". In its shadow the challenger alone would flag {run['users_shadow']} more"
    return f"{told}."


def _tell_watch(day: dict) -> Iterator[str]:
    for alert in day["alerts"]:
        yield f"**Alert: {words(alert['kind'])}** in `{alert['subject']}`. {_sentence(alert['told'])}"
    for decision in day["decisions"]:
        told = ACTIONS.get(decision["action"], f"The monitor asks for {words(decision['action'])}")
        why = own_words(decision["reason"], day["alerts"])
        yield f"**Decided.** {told}" + (f": {why}." if why else ", for this reason.")


def own_words(reason: str, alerts: list[dict]) -> str:
    """The decision's reason without the alerts, which the diary has told already."""
    for alert in alerts:
        reason = reason.replace(f"{alert['kind']} ({alert['told']})", "")
    return reason.strip("; ").removeprefix(":").strip()


def tell_deed(deed: dict) -> Iterator[str]:
    """Entries about a DAG run that was not one of the daily ones."""
    if deed["dag"] in TRAININGS:
        yield f"**{TRAININGS[deed['dag']]}** {_asked(deed)}: {_tell_training(deed)}"
    elif deed["dag"] == "promote_model":
        yield from _tell_promotion(deed)
    elif deed["dag"] == "choose_threshold":
        chosen = deed["returned"].get("choose_threshold")
        yield f"**Threshold chosen** {_asked(deed)}: {_tell_threshold(chosen) if chosen else _tell_refusal(deed)}"
    else:
        yield f"**Ran** {deed['dag']} {_asked(deed)}: {deed['state']}."


def _asked(deed: dict) -> str:
    as_of = deed["asked"].get("as_of")
    took = f", {deed['seconds']} s" if deed["seconds"] is not None else ""
    return f"by {deed['by']}" + (f", as of {as_of}" if as_of else "") + took


def _tell_training(deed: dict) -> str:
    candidate, chosen = candidate_of(deed), deed["returned"].get("choose_threshold")
    if not candidate:
        return _tell_refusal(deed)
    told = f"candidate {candidate}. " + (_tell_threshold(chosen) if chosen else "")
    return told.strip()


def _tell_threshold(chosen: dict) -> str:
    if chosen["value"] is None:
        return f"No threshold keeps the promise: {_sentence(chosen['shortfall'])}"
    return f"Threshold {chosen['value']:.3f} keeps {chosen['guarantee']}."


def _tell_refusal(deed: dict) -> str:
    told = [f"{task} refused. {_sentence(why)}" for task, why in deed["refused"].items()]
    return " ".join(told) or "nothing came of it."


def _tell_promotion(deed: dict) -> Iterator[str]:
    candidate = candidate_of(deed)
    if "check_gate" in deed["refused"]:
        yield f"**Stopped at the gate**, nobody was asked: {_sentence(deed['refused']['check_gate'])}"
    elif "wait_for_shadow" in deed["skipped"]:
        yield f"Candidate {candidate} is no longer waited for: a newer challenger took its place."
    elif deed["refused"]:
        yield f"**The promotion of candidate {candidate} failed.** {_tell_refusal(deed)}"
    elif deed["state"] == "success" and deed.get("question", {}).get("on") == deed.get("ended_on"):
        return
    else:
        yield f"Candidate {candidate} passed the gate and waits for its day in the champion's shadow."


def _tell_answer(deed: dict) -> str:
    question, moved = deed["question"], deed["returned"].get("move_alias")
    told = f"**The model owner was asked:** {question['subject']} **{question['answer']}**, for {question['why']}."
    return f"{told} " + (f"Champion {moved['version']} acts from now on." if moved else "The champion stays.")


def _tell_evening(evening: dict) -> str:
    users = sum(evening["flagged"].values())
    by = ", ".join(f"{count} by version {name.split()[-1]}" for name, count in sorted(evening["flagged"].items()))
    return f"the recommender reads {users} users as flagged ({by}); champion {evening['champion']} acts."


def _tell_truth(truth: dict[str, dict[str, int]]) -> str:
    bad = {name: seen for name, seen in truth.items() if name != GOOD}
    hits, flagged = sum(seen["flagged"] for seen in bad.values()), sum(seen["flagged"] for seen in truth.values())
    found = ", ".join(f"{words(name)} {seen['flagged']} of {seen['came']}" for name, seen in bad.items())
    precision = f" (precision {hits / flagged:.2f})" if flagged else ""
    return f"{hits} of the {flagged} flagged had attacked{precision}. Of the attackers who came, flagged: {found}."


def words(name: str) -> str:
    """snake_case as people write it."""
    return name.replace("_", " ")


def _sentence(told: str) -> str:
    told = " ".join(told.split())
    return told[:1].upper() + told[1:] + ("" if told.endswith((".", "!", "?")) else ".")
