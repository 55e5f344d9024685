"""The diary: each day's entries, in plain words, from the facts alone."""

from collections.abc import Iterator
from datetime import date

from tests.soak.truth import GOOD

HAPPENS = {  # by the simulator's hand, or by somebody's
    "drift": "From today on whoever comes by phone or tablet comes by the app: the shop has closed its mobile site.",
    "attack": "Scraper bots sign up in numbers. No model has ever seen one, and no label has ever named one.",
    "bad": "In the morning somebody in a hurry trains a model by hand, with a `tuned.json` that allows a single epoch.",
}
SPOILT = {"duplicate": "more were there already", "quarantined": "more broke the contract"}
ACTIONS = {
    "recalibrate": "another threshold is to be chosen for the same model",
    "fine_tune": "the champion is to learn on from what has come since",
    "retrain": "a new model is to be trained",
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
        yield tell_answer(asked)
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
    spoilt = [f"{events[name]} {what}" for name, what in SPOILT.items() if events[name]]
    kinds = [f"{words(kind)} {users}" for kind, users in sorted(labels.items(), key=lambda one: -one[1])]
    told = f"{events['accepted']:,} events" + (f" ({', '.join(spoilt)})" if spoilt else "")
    return f"{told}. Users called anomalous by new labels: {', '.join(kinds) or 'none'}."


def _tell_run(day: dict) -> str:
    run = day["runs"][-1]
    told = f"Champion {run['model_version']} (threshold {run['threshold']:.3f}) scored {run['users_scored']} users and "
    told += f"flagged {run['users_active']}"
    beside = {
        "held out": run["users_holdout"],
        "cleared of an older flag": day["cleared"],
        "not judged, since they did too little": run["users_too_short"],
        "not judged, since nobody in training was like them": run["users_too_unlike"],
    }
    told += "".join(f"; {count} {what}" for what, count in beside.items() if count)
    shadow = run["users_shadow"]
    return f"{told}." + (f" In its shadow the challenger alone would flag {shadow} more." if shadow else "")


def _tell_watch(day: dict) -> Iterator[str]:
    for alert in day["alerts"]:
        yield f"**Alert: {words(alert['kind'])}** in `{alert['subject']}`. {_sentence(alert['told'])}"
    for decision in day["decisions"]:
        told = ACTIONS.get(decision["action"], f"the monitor asks for {words(decision['action'])}")
        why = own_words(decision["reason"], day["alerts"])
        if not day["alerts"]:
            yield f"**Watched.** {_sentence(why)}"
        elif decision["action"] == "nothing":
            yield f"**Decided: nothing.** {_sentence(why)}"
        else:
            yield f"**Decided: {words(decision['action'])}.** Therefore {told}" + (f"; {why}." if why else ".")


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
    return f"candidate {candidate}. " + (_tell_threshold(chosen) if chosen else "No threshold was chosen.")


def _tell_threshold(chosen: dict) -> str:
    if chosen["value"] is None:
        return f"No threshold keeps the promise: {_sentence(chosen['shortfall'])}"
    return f"Threshold {chosen['value']:.3f} keeps what is promised ({chosen['guarantee']})."


def _tell_refusal(deed: dict) -> str:
    told = [f"`{task}` refused: {_sentence(why)}" for task, why in deed["refused"].items()]
    return " ".join(told) or (
        "it is not done yet." if deed["state"] in ("queued", "running") else "nothing came of it."
    )


def _tell_promotion(deed: dict) -> Iterator[str]:
    candidate = candidate_of(deed)
    if "check_gate" in deed["refused"]:
        yield f"**Stopped at the gate:** candidate {candidate}. {_sentence(deed['refused']['check_gate'])}"
    elif "wait_for_shadow" in deed["skipped"]:
        yield f"Candidate {candidate} is no longer waited for: a newer challenger took its place."
    elif deed["refused"]:
        yield f"**The promotion of candidate {candidate} failed.** {_tell_refusal(deed)}"
    elif gate := deed["returned"].get("check_gate"):
        yield f"**Passed the gate:** candidate {candidate}, {_tell_gate(gate)}"
    else:
        yield f"The gate has not looked at candidate {candidate} yet."


def _tell_gate(gate: dict) -> str:
    """What was measured; the threshold's own result has no metric, and was told with the training."""
    measured = [result for result in gate["results"] if "metric" in result["gate"]]
    told = "; ".join(f"{result['gate']['name']}: {_figure(result)}" for result in measured)
    waits = f" It now waits for its day in the shadow of champion {gate['champion']}." if gate["champion"] else ""
    return f"on its own frozen test users. {_sentence(told)}{waits}"


def _figure(result: dict) -> str:
    gate, found = result["gate"], result["estimate"]
    relative = " - " in gate["of"]
    figures = [f"{found[name]:{'+' if relative else ''}.3f}" for name in ("value", "low", "high")]
    return f"{words(gate['metric'])} {figures[0]} ({figures[1]} to {figures[2]})"


def tell_answer(deed: dict) -> str:
    question, moved = deed["question"], deed["returned"].get("move_alias")
    told = f"**The model owner was asked:** {question['subject']} *{question['answer']}: {question['why']}.*"
    return f"{told} " + (f"Champion {moved['version']} acts from now on." if moved else "The champion stays.")


def _tell_evening(evening: dict) -> str:
    users = sum(evening["flagged"].values())
    by = ", ".join(f"{count} by champion {name.split()[-1]}" for name, count in sorted(evening["flagged"].items()))
    return f"the recommender reads {users} users as flagged, {by}. Champion {evening['champion']} acts tomorrow."


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
