"""Diary entries about DAG runs that are not the daily ones: trainings, thresholds, promotions, answers."""

from collections.abc import Iterator

TRAININGS = {"train_model": "Trained", "update_model": "Trained further"}


def candidate_of(deed: dict) -> str | None:
    """The version that a training registered, or that a promotion was about."""
    registered = deed["returned"].get("register_candidate") or deed["returned"].get("check_gate") or {}
    return registered.get("version") or deed.get("candidate")


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
        return sentence(chosen["shortfall"])
    return f"Threshold {chosen['value']:.3f} keeps what is promised ({chosen['guarantee']})."


def _tell_refusal(deed: dict) -> str:
    told = [f"`{task}` refused: {sentence(why)}" for task, why in deed["refused"].items()]
    return " ".join(told) or (
        "it is not done yet." if deed["state"] in ("queued", "running") else "nothing came of it."
    )


def _tell_promotion(deed: dict) -> Iterator[str]:
    candidate = candidate_of(deed)
    if "check_gate" in deed["refused"]:
        yield f"**Stopped at the gate:** candidate {candidate}. {_tell_closed(deed['refused']['check_gate'])}"
    elif "wait_for_shadow" in deed["skipped"]:
        yield f"Candidate {candidate} is no longer waited for: a newer challenger took its place."
    elif deed["refused"]:
        yield f"**The promotion of candidate {candidate} failed.** {_tell_refusal(deed)}"
    elif gate := deed["returned"].get("check_gate"):
        yield f"**Passed the gate:** candidate {candidate}, {_tell_gate(gate)}"
    else:
        yield f"The gate has not looked at candidate {candidate} yet."


def _tell_closed(refusal: str) -> str:
    """Without what a missing threshold falls short of, which the training has told."""
    happened, _, facts = refusal.partition(". ")
    return sentence(happened if "told=" in facts else refusal.replace("closed=", ""))


def _tell_gate(gate: dict) -> str:
    """What was measured; the threshold's own result has no metric, and was told with the training."""
    measured = [result for result in gate["results"] if "metric" in result["gate"]]
    told = "; ".join(f"{result['gate']['name']}: {_figure(result)}" for result in measured)
    waits = f" It now waits for its day in the shadow of champion {gate['champion']}." if gate["champion"] else ""
    return f"on its own frozen test users. {sentence(told)}{waits}"


def _figure(result: dict) -> str:
    gate, found = result["gate"], result["estimate"]
    relative = " - " in gate["of"]
    figures = [f"{found[name]:{'+' if relative else ''}.3f}" for name in ("value", "low", "high")]
    return f"{words(gate['metric'])} {figures[0]} ({figures[1]} to {figures[2]})"


def tell_answer(deed: dict) -> str:
    question, moved = deed["question"], deed["returned"].get("move_alias")
    told = f"**The model owner was asked:** {question['subject']} *{question['answer']}: {question['why']}.*"
    return f"{told} " + (f"Champion {moved['version']} acts from now on." if moved else "The champion stays.")


def words(name: str) -> str:
    """snake_case as people write it."""
    return name.replace("_", " ")


def sentence(told: str) -> str:
    """With a capital and a full stop, on one line."""
    told = " ".join(told.split())
    return told[:1].upper() + told[1:] + ("" if told.endswith((".", "!", "?")) else ".")
