"""The diary: each day's entries, in plain words, from the facts alone."""

from collections.abc import Iterator
from datetime import date

from tests.soak.entries import candidate_of, sentence, tell_answer, tell_deed, words
from tests.soak.truth import GOOD

HAPPENS = {  # by the simulator's hand, or by somebody's
    "drift": "From today on whoever comes by phone or tablet comes by the app: the shop has closed its mobile site.",
    "attack": "Scraper bots sign up in numbers. No model has ever seen one, and no label has ever named one.",
    "bad": "In the evening somebody in a hurry trains a model by hand, with a `tuned.json` that allows a single epoch.",
}
SPOILT = {"duplicate": "more were there already", "quarantined": "more broke the contract"}
ACTIONS = {
    "recalibrate": "another threshold is to be chosen for the same model",
    "fine_tune": "the champion is to learn on from what has come since",
    "retrain": "a new model is to be trained",
}


def write_day(facts: dict, day: dict) -> str:
    """A section of Markdown."""
    when = date.fromisoformat(day["date"])
    happens = [HAPPENS[name] for name, number in facts["plot"].items() if number == day["number"]]
    lines = [f"## Day {day['number']}: {when:%A}, {when.day} {when:%B %Y}", "", *(f"*{told}*\n" for told in happens)]
    lines += [f"- {entry}" for entry in _entries(facts, day)]
    return "\n".join([*lines, "", f"> The simulator's truth: {_tell_truth(day['truth'])}", ""])


def _entries(facts: dict, day: dict) -> Iterator[str]:
    """In the order of the day: what came, who was flagged, what people answered and did, what the monitor did."""
    by_hand = [deed for deed in day["deeds"] if deed["by"] == "a person"]
    by_hand += [deed for deed in day["deeds"] if deed not in by_hand and _belongs(deed, by_hand)]
    yield f"**Came in.** {_tell_intake(day)}"
    yield f"**Flagged.** {_tell_run(day)}"
    yield from (tell_answer(asked) for asked in answered_on(facts, day["number"]))
    for deed in by_hand:
        yield from tell_deed(deed)
    yield from _tell_watch(day)
    for deed in day["deeds"]:
        if deed not in by_hand:
            yield from tell_deed(deed)
    yield f"**In the evening** {_tell_evening(day['evening'])}"


def _belongs(deed: dict, by_hand: list[dict]) -> bool:
    """Whether the promotion is of a challenger that somebody has trained by hand."""
    candidates = {candidate_of(one) for one in by_hand} - {None}
    return deed["dag"] == "promote_model" and candidate_of(deed) in candidates


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
    if day["reasons"]:
        told += f". Most often for {', '.join(f'{words(code)} ({users})' for code, users in day['reasons'].items())}"
    shadow = run["users_shadow"]
    return f"{told}." + (f" In its shadow the challenger alone would flag {shadow} more." if shadow else "")


def _tell_watch(day: dict) -> Iterator[str]:
    for alert in day["alerts"]:
        yield f"**Alert: {words(alert['kind'])}** in `{alert['subject']}`. {sentence(alert['told'])}"
    for decision in day["decisions"]:
        told = ACTIONS.get(decision["action"], f"the monitor asks for {words(decision['action'])}")
        why = own_words(decision["reason"], day["alerts"])
        if not day["alerts"]:
            yield f"**Watched.** {sentence(why)}"
        elif decision["action"] == "nothing":
            yield f"**Decided: nothing.** {sentence(why)}"
        else:
            yield f"**Decided: {words(decision['action'])}.** Therefore {told}" + (f"; {why}." if why else ".")


def own_words(reason: str, alerts: list[dict]) -> str:
    """The decision's reason without the alerts, which the diary has told already."""
    for alert in alerts:
        reason = reason.replace(f"{alert['kind']} ({alert['told']})", "")
    return reason.strip("; ").removeprefix(":").strip()


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
